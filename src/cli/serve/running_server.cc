#include "cli/serve/running_server.h"

#include <fmt/format.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/serve/accounts.h"
#include "cli/serve/drain.h"
#include "engine/expert_loads.h"
#include "serve/generate/generation.h"

namespace fathom::cli {
namespace {

constexpr auto kLookAround = std::chrono::milliseconds(20);
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
  serve::http::ServerOptions options = serve::http_options(config.server, config.limits);
  options.keep_alive_s = config.server.keep_alive_s;
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

void RunningServer::drain() {
  const serve::ListenSection& limits = config_.server;
  drain_server(server_, limits,
               {.refuse_new = [this] { service_.drain(); },
                .look_around =
                    [this] {
                      if (!service_.stalls()) manager_.alive();
                    },
                .last_words = [this] { model_->engine().fail_all(serve::kDraining); }});
}

}  // namespace fathom::cli
