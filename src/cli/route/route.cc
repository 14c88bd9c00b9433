#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>

#include "base/log.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/serve/drain.h"
#include "cli/serve/process_setup.h"
#include "cli/serve/service_manager.h"
#include "config/run/run_file.h"
#include "serve/config/serve_config.h"
#include "serve/http/server.h"
#include "serve/metrics/json_log.h"
#include "serve/route/router.h"

namespace fathom::cli {
namespace {

constexpr std::string_view kRoutePrefix = "FATHOM_ROUTE_";
constexpr auto kRouteLookAround = std::chrono::milliseconds(20);

class Route : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("route", "Stand in front of several servers, as one");
    command_.add_option("--config", config_file_, "TOML file; flags stand above it")
        .type_name("FILE");
    command_
        .add_option("--servers", servers_,
                    "Servers of the same model (fathom serve), http://HOST:PORT each")
        .type_name("URL,URL");
    command_.add_option("--host", host_, "Address to listen on").type_name("ADDRESS");
    command_.add_option("--port", port_, "Port to listen on; 0: one that is free")
        .type_name("PORT");
    command_.add_option("--set", settings_, "Change a key of the configuration; may be repeated")
        .type_name("SECTION.KEY=VALUE")
        .one_value_each();
    command_.add_flag("--print-config", print_config_, "Print the resolved configuration");
    command_.add_flag("--keys", keys_, "Print every key of the configuration with its default");
    command_.footer(
        "Example:\n  fathom route --servers http://127.0.0.1:8081,http://127.0.0.1:8082 "
        "--port 8080\n"
        "A request goes to the server that had most of its text before, for its cached rows.\n"
        "SIGTERM lets running requests end; SIGINT, or SIGTERM again, does not.");
    return command_;
  }

  int run() override {
    if (keys_) {
      serve::RouteConfig defaults;
      out::write(describe_run_file(field_list(defaults)));
      return kExitOk;
    }
    const serve::RouteConfig config = read_config();
    if (print_config_) {
      serve::RouteConfig copy = config;
      out::write(write_run_file(field_list(copy)));
      return kExitOk;
    }
    if (config.route.servers.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  "no servers: expected --servers URL,URL, or servers under [route] of --config");
    }
    if (config.server.log_format == serve::LogFormat::kJson) serve::log_as_json();
    set_log_level(config.server.log_level);
    raise_file_limit();
    return run_router(config);
  }

 private:
  static std::string quoted_list(const std::string& text) {
    std::string list;
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", text.substr(begin, end - begin));
      begin = end + 1;
    }
    return "[" + list + "]";
  }

  serve::RouteConfig read_config() const {
    serve::RouteConfig config;
    std::vector<std::string> settings = value_or_throw(
        serve::environment_settings(kRoutePrefix, environment_entries(), field_list(config)));
    if (!servers_.empty()) settings.push_back("route.servers=" + quoted_list(servers_));
    if (!host_.empty()) settings.push_back("server.host=" + host_);
    if (!port_.empty()) settings.push_back("server.port=" + port_);
    settings.insert(settings.end(), settings_.begin(), settings_.end());
    value_or_throw(config_file_.empty()
                       ? parse_run_file("", "options", settings, field_list(config))
                       : read_run_file(config_file_, settings, field_list(config)));
    return config;
  }

  /// Before the server goes, whichever way that is.
  struct Stopped {
    serve::Router& router;
    ~Stopped() { router.stop(); }
  };

  static int run_router(const serve::RouteConfig& config) {
    ServiceManager manager;
    const InterruptGuard interrupt;
    serve::Router router(config);
    serve::http::Server server(serve::http_options(config.server, config.limits), router);
    const Stopped stopped{router};
    server.start();
    log::info("listening on {}://{}:{}", config.server.tls_certificate.empty() ? "http" : "https",
              config.server.host, server.port());
    manager.ready(fmt::format("before {} servers", config.route.servers.size()));
    while (!interrupt.interrupted()) {
      manager.alive();
      std::this_thread::sleep_for(kRouteLookAround);
    }
    manager.stopping("going down");
    if (interrupt.signal() == SIGINT) return kExitInterrupted;
    drain_server(server, config.server,
                 {.refuse_new = [&] { router.drain(); },
                  .look_around = [&] { manager.alive(); },
                  .last_words = [] {}});
    return kExitOk;
  }

  Arguments command_;
  std::string config_file_, servers_, host_, port_;
  std::vector<std::string> settings_;
  bool print_config_ = false, keys_ = false;
};

}  // namespace

std::unique_ptr<Command> make_route() { return std::make_unique<Route>(); }

}  // namespace fathom::cli
