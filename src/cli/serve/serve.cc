#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/serve/accounts.h"
#include "cli/serve/loaded_model.h"
#include "cli/serve/reload.h"
#include "cli/serve/service_manager.h"
#include "config/run/run_file.h"
#include "serve/accounts/sql/sql.h"
#include "serve/generate/generation.h"
#include "serve/http/server.h"
#include "serve/metrics/json_log.h"
#include "serve/service.h"

namespace fathom::cli {
namespace {

constexpr auto kLookAround = std::chrono::milliseconds(20);
constexpr double kLastWordsS = 2;  // for streams to be told that they end

/// A flag and the key of the configuration that it sets.
struct ServeFlag {
  const char* names;
  const char* key;
  const char* help;
  const char* type;
};

constexpr std::array kFlags = {
    ServeFlag{"-m,--model", "model.path", "Model directory (Hugging Face layout), or a .gguf file",
              "PATH"},
    ServeFlag{"--host", "server.host", "Address to listen on", "ADDRESS"},
    ServeFlag{"--port", "server.port", "Port to listen on; 0: one that is free", "PORT"},
    ServeFlag{"--name", "model.name", "The model's id in the API", "NAME"},
    ServeFlag{"--chat-template", "model.chat_template",
              "Built-in chat template; default: the one recognised in the checkpoint", "NAME"},
    ServeFlag{"--context", "model.context_tokens", "Tokens of a request, prompt and answer",
              "TOKENS"},
    ServeFlag{"--cache-tokens", "model.cache_tokens", "Tokens that the cache holds", "TOKENS"},
    ServeFlag{"--drafts", "model.drafts", "Tokens at most that MTP modules propose for a step",
              "TOKENS"},
    ServeFlag{"--log-format", "server.log_format", "text or json", "FORMAT"},
};

/// Thousands of connections need as many files.
void raise_file_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<std::string> environment() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
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
  options.keep_alive_s = config.server.keep_alive_s;
  options.tls_certificate = config.server.tls_certificate;
  options.tls_key = config.server.tls_key;
  return options;
}

class Serve : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("serve", "Answer HTTP requests of OpenAI's API");
    command_.add_option("--config", config_file_, "TOML file; flags stand above it")
        .type_name("FILE");
    for (size_t i = 0; i < kFlags.size(); ++i) {
      command_.add_option(kFlags[i].names, values_[i], kFlags[i].help).type_name(kFlags[i].type);
    }
    command_.add_option("--set", settings_, "Change a key of the configuration; may be repeated")
        .type_name("SECTION.KEY=VALUE")
        .one_value_each();
    command_.add_flag("--print-config", print_config_, "Print the resolved configuration");
    command_.add_flag("--keys", keys_, "Print every key of the configuration with its default");
    command_.footer(
        "Examples:\n  fathom serve --model DIR\n"
        "  fathom serve --config serve.toml --port 9000\n"
        "  FATHOM_SERVE_SERVER_PORT=9000 fathom serve --model DIR\n"
        "SIGTERM lets running requests end; SIGINT, or SIGTERM again, does not.");
    return command_;
  }

  int run() override {
    serve::ServeConfig config;
    if (keys_) {
      out::write(describe_run_file(field_list(config)));
      return kExitOk;
    }
    read_config(config);
    if (print_config_) {
      out::write(write_run_file(field_list(config)));
      return kExitOk;
    }
    if (config.model.path.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  "no model: expected --model PATH, or path under [model] of --config");
    }
    if (config.server.log_format == serve::LogFormat::kJson) serve::log_as_json();
    refuse_open_doors(config);
    check_model(config.model);
    // By --verbose or --quiet, which stand above the configuration.
    const bool is_level_fixed =
        log::enabled(log::Level::kDebug) || !log::enabled(log::Level::kInfo);
    if (!is_level_fixed) log::set_level(config.server.log_level);
    log_config(config);
    return answer(config, is_level_fixed);
  }

 private:
  void read_config(serve::ServeConfig& config) const {
    std::vector<std::string> settings =
        value_or_throw(serve::environment_settings(environment(), field_list(config)));
    for (size_t i = 0; i < kFlags.size(); ++i) {
      if (!values_[i].empty()) settings.push_back(std::string(kFlags[i].key) + "=" + values_[i]);
    }
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    value_or_throw(config_file_.empty()
                       ? parse_run_file("", "options", settings, field_list(config))
                       : read_run_file(config_file_, settings, field_list(config)));
  }

  /// Without the password of a database.
  static void log_config(serve::ServeConfig config) {
    config.accounts.database = serve::shown_database(config.accounts.database);
    log::info("configuration:\n{}", write_run_file(field_list(config)));
  }

  /// Without keys everyone who reaches the address may use the model.
  static void refuse_open_doors(const serve::ServeConfig& config) {
    if (!config.keys.empty() || !config.accounts.database.empty()) return;
    const std::string& host = config.server.host;
    if (host == "localhost" || host == "::1" || host.starts_with("127.")) return;
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("server.host: {} can be reached from other machines, and there are no "
                            "keys: expected 127.0.0.1, ::1 or localhost",
                            host));
  }

  /// A file that is wrong changes nothing.
  void read_again(const serve::ServeConfig& started, const Running& running) const {
    try {
      serve::ServeConfig next;
      read_config(next);
      reload(started, next, running);
    } catch (const Error& error) {
      log::error("the configuration stays as it is: {}", error.message());
    }
  }

  int answer(const serve::ServeConfig& config, bool is_level_fixed) const {
    raise_file_limit();
    ServiceManager manager;
    const InterruptGuard interrupt;
    std::unique_ptr<LoadedModel> model;  // goes last: what is being answered uses it
    ReloadSignal reload_signal;
    const auto audit = make_audit_log(config.accounts);
    const auto accounts = make_accounts(config, served_name(config.model));
    serve::Service service({.worker_threads = config.server.worker_threads,
                            .allowed_hosts = config.server.allowed_hosts,
                            .log_as_json = config.server.log_format == serve::LogFormat::kJson,
                            .audit = audit.get()},
                           *accounts);
    serve::http::Server server(server_options(config), service);
    server.start();
    log::info("listening on {}://{}:{}", config.server.tls_certificate.empty() ? "http" : "https",
              config.server.host, server.port());
    manager.loading("loading " + config.model.path);
    model = std::make_unique<LoadedModel>(config);
    service.serve(model->served());
    const std::string serving = fmt::format("serving {} with a context of {} tokens",
                                            model->served().name, model->engine().context_tokens());
    log::info("{}", serving);
    manager.ready(serving);
    while (!interrupt.interrupted()) {
      if (reload_signal.take()) {
        manager.reloading();
        read_again(config, {*accounts, server, *model, is_level_fixed});
        manager.ready(serving);
      }
      if (!service.stalls()) manager.alive();
      for (const std::string& key : accounts->take_gone()) model->engine().forget(key);
      std::this_thread::sleep_for(kLookAround);
    }
    manager.stopping(fmt::format("{} requests are being answered", server.busy_connections()));
    if (interrupt.signal() == SIGINT) return kExitInterrupted;
    drain(config.server, service, server, model->engine(), manager);
    return kExitOk;
  }

  /// Lets what runs come to its end. A second signal ends the process by itself.
  static void drain(const serve::ServerSection& limits, serve::Service& service,
                    serve::http::Server& server, engine::Engine& engine, ServiceManager& manager) {
    log::info("going down: {} requests are being answered", server.busy_connections());
    const Clock::time_point begin = Clock::now();
    service.drain();
    const auto sleep_until = [&](double seconds, auto done) {
      while (!done() && seconds_since(begin) < seconds) {
        if (!service.stalls()) manager.alive();
        std::this_thread::sleep_for(kLookAround);
      }
    };
    sleep_until(limits.drain_delay_s, [] { return false; });
    server.stop_accepting();
    const auto idle = [&] { return server.busy_connections() == 0; };
    sleep_until(limits.drain_timeout_s, idle);
    if (idle()) return;
    log::warn("{} requests did not end within {} s", server.busy_connections(),
              limits.drain_timeout_s);
    engine.fail_all(serve::kDraining);
    sleep_until(limits.drain_timeout_s + kLastWordsS, idle);
  }

  Arguments command_;
  std::string config_file_;
  std::array<std::string, kFlags.size()> values_;
  std::vector<std::string> settings_;
  bool print_config_ = false, keys_ = false;
};

}  // namespace

std::unique_ptr<Command> make_serve() { return std::make_unique<Serve>(); }

}  // namespace fathom::cli
