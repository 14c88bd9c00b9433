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
#include "cli/serve/service_options.h"
#include "config/run/run_file.h"
#include "serve/config/serve_config.h"
#include "serve/http/server.h"
#include "serve/metrics/json_log.h"
#include "serve/route/router.h"

namespace fathom::cli {
namespace {

constexpr std::string_view kRoutePrefix = "FATHOM_ROUTE_";
constexpr std::array kRouteFlags = {
    ServiceFlag{"--servers", "route.servers",
                "Servers of the same model (fathom serve), http://HOST:PORT each", "URL,URL",
                /*is_list=*/true},
    ServiceFlag{"--host", "server.host", "Address to listen on", "ADDRESS"},
    ServiceFlag{"--port", "server.port", "Port to listen on; 0: one that is free", "PORT"},
};
constexpr auto kRouteLookAround = std::chrono::milliseconds(20);

class Route : public Command {
 public:
  Arguments add(Arguments& app) override {
    command_ = app.add_command("route", "Stand in front of several servers, as one");
    options_.add(command_);
    command_.footer(
        "Example:\n  fathom route --servers http://127.0.0.1:8081,http://127.0.0.1:8082 "
        "--port 8080\n"
        "A request goes to the server that had most of its text before, for its cached rows.\n"
        "SIGTERM lets running requests end; SIGINT, or SIGTERM again, does not.");
    return command_;
  }

  int run() override {
    if (options_.asks_for_keys()) {
      serve::RouteConfig defaults;
      out::write(describe_run_file(field_list(defaults)));
      return kExitOk;
    }
    serve::RouteConfig config;
    options_.read(field_list(config));
    if (options_.asks_for_config()) {
      out::write(write_run_file(field_list(config)));
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
  ServiceOptions options_{kRoutePrefix, kRouteFlags};
};

}  // namespace

std::unique_ptr<Command> make_route() { return std::make_unique<Route>(); }

}  // namespace fathom::cli
