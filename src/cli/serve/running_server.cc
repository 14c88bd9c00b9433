#include "cli/serve/running_server.h"

#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/serve/accounts.h"
#include "engine/expert_loads.h"
#include "serve/generate/generation.h"

namespace fathom::cli {
namespace {

constexpr auto kLookAround = std::chrono::milliseconds(20);
constexpr double kLastWordsS = 2;  // for streams to be told that they end
constexpr double kLoadsEveryS = 60;

serve::ServiceOptions service_options(const serve::ServeConfig& config, serve::AuditLog* audit) {
  return {.worker_threads = config.server.worker_threads,
          .allowed_hosts = config.server.allowed_hosts,
          .allowed_origins = config.server.allowed_origins,
          .log_as_json = config.server.log_format == serve::LogFormat::kJson,
          .stalled_after_s = config.server.stalled_after_s,
          .audit = audit};
}

serve::http::ServerOptions server_options(const serve::ServeConfig& config) {
  serve::http::ServerOptions options;
  options.host = config.server.host;
  options.port = config.server.port;
  options.threads = config.server.http_threads;
  options.max_body_bytes = static_cast<i64>(config.limits.max_body_mib * (1 << 20));
  options.max_connections = config.limits.max_connections;
  options.max_connections_per_peer = config.limits.max_connections_per_address;
  options.trusted_proxies = config.server.trusted_proxies;
  options.idle_s = config.limits.idle_s;
  options.header_s = config.limits.header_s;
  options.write_s = config.limits.write_s;
  options.keep_alive_s = config.server.keep_alive_s;
  options.tls_certificate = config.server.tls_certificate;
  options.tls_key = config.server.tls_key;
  return options;
}

}  // namespace

RunningServer::RunningServer(serve::ServeConfig config,
                             std::function<serve::ServeConfig()> read_config, bool is_level_fixed)
    : config_(std::move(config)),
      read_config_(std::move(read_config)),
      is_level_fixed_(is_level_fixed),
      audit_(make_audit_log(config_.accounts)),
      accounts_(make_accounts(config_, served_name(config_.model))),
      service_(service_options(config_, audit_.get()), *accounts_),
      server_(server_options(config_), service_) {
  server_.start();
  log::info("listening on {}://{}:{}", config_.server.tls_certificate.empty() ? "http" : "https",
            config_.server.host, server_.port());
}

int RunningServer::run() {
  if (!load()) {
    log::info("going down: no model was loaded yet, and nothing was answered");
    // The thread that loads cannot be stopped within a read; nothing here is lost with it.
    std::_Exit(interrupt_.signal() == SIGINT ? kExitInterrupted : kExitOk);
  }
  while (!interrupt_.interrupted()) {
    look_around();
    std::this_thread::sleep_for(kLookAround);
  }
  manager_.stopping(fmt::format("{} requests are being answered", server_.busy_connections()));
  const bool drained = interrupt_.signal() != SIGINT;
  if (drained) drain();
  write_loads();
  return drained ? kExitOk : kExitInterrupted;
}

/// False if a signal came first: the model is being loaded still.
bool RunningServer::load() {
  manager_.loading("loading " + config_.model.path);
  std::packaged_task<std::unique_ptr<LoadedModel>()> task(
      [this] { return std::make_unique<LoadedModel>(config_); });
  std::future<std::unique_ptr<LoadedModel>> loaded = task.get_future();
  std::thread loader(std::move(task));
  while (loaded.wait_for(kLookAround) != std::future_status::ready) {
    if (!interrupt_.interrupted()) continue;
    manager_.stopping("the model is not loaded");
    loader.detach();
    return false;
  }
  loader.join();
  model_ = loaded.get();
  service_.serve(model_->served());
  serving_ = fmt::format("serving {} with a context of {} tokens", model_->served().name,
                         model_->engine().context_tokens());
  log::info("{}", serving_);
  manager_.ready(serving_);
  return true;
}

void RunningServer::look_around() {
  if (reload_signal_.take()) {
    manager_.reloading();
    read_again();
    manager_.ready(serving_);
  }
  if (!service_.stalls()) manager_.alive();
  for (const std::string& key : accounts_->take_gone()) model_->engine().forget(key);
  if (seconds_since(loads_written_) >= kLoadsEveryS) write_loads();
}

/// A disk that is full ends no service.
void RunningServer::write_loads() {
  loads_written_ = Clock::now();
  if (config_.model.loads_file.empty()) return;
  try {
    engine::write_expert_loads(config_.model.loads_file, model_->expert_loads());
  } catch (const Error& error) {
    log::error("model.loads_file: {}", error.message());
  }
}

/// A file that is wrong changes nothing.
void RunningServer::read_again() {
  try {
    reload(config_, read_config_(), {*accounts_, service_, server_, *model_, is_level_fixed_});
  } catch (const Error& error) {
    log::error("the configuration stays as it is: {}", error.message());
  }
}

/// Until `done()` or so many seconds are over.
template <typename Done>
void RunningServer::wait(double seconds, Done done) {
  const Clock::time_point begin = Clock::now();
  while (!done() && seconds_since(begin) < seconds) {
    if (!service_.stalls()) manager_.alive();
    std::this_thread::sleep_for(kLookAround);
  }
}

/// Lets what runs come to its end. A second signal ends the process by itself.
void RunningServer::drain() {
  const serve::ServerSection& limits = config_.server;
  log::info("going down: {} requests are being answered", server_.busy_connections());
  const Clock::time_point begin = Clock::now();
  service_.drain();
  wait(limits.drain_delay_s, [] { return false; });
  server_.stop_accepting();
  const auto is_idle = [this] { return server_.busy_connections() == 0; };
  wait(limits.drain_timeout_s - seconds_since(begin), is_idle);
  if (is_idle()) return;
  log::warn("{} requests did not end within {} s", server_.busy_connections(),
            limits.drain_timeout_s);
  model_->engine().fail_all(serve::kDraining);
  wait(kLastWordsS, is_idle);
}

}  // namespace fathom::cli
