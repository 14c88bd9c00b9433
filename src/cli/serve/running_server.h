#pragma once
// A server from its start to its end: who may use it, the model, and what signals do to it.
#include <functional>
#include <memory>

#include "base/clock.h"
#include "cli/interrupt.h"
#include "cli/serve/loaded_model.h"
#include "cli/serve/reload.h"
#include "cli/serve/service_manager.h"
#include "serve/accounts/accounts.h"
#include "serve/accounts/audit/audit_log.h"
#include "serve/config/serve_config.h"
#include "serve/http/server.h"
#include "serve/service.h"

namespace fathom::cli {

class RunningServer {
 public:
  /// Listens. `read_config` reads the configuration again, at SIGHUP, and may throw Error.
  RunningServer(serve::ServeConfig config, std::function<serve::ServeConfig()> read_config,
                bool is_level_fixed);

  /// Loads the model and answers until a signal ends it: the exit code.
  int run();

 private:
  bool load();
  void look_around();
  void read_again();
  void write_loads();
  void drain();

  serve::ServeConfig config_;
  std::function<serve::ServeConfig()> read_config_;
  bool is_level_fixed_;  // of the log, by --verbose or --quiet
  ServiceManager manager_;
  InterruptGuard interrupt_;
  ReloadSignal reload_signal_;  // after the guard, which ends the process at SIGHUP
  std::string serving_;         // what it says of itself
  Clock::time_point loads_written_ = Clock::now();
  std::unique_ptr<LoadedModel> model_;  // goes last: what is being answered uses it
  std::unique_ptr<serve::AuditLog> audit_;
  std::unique_ptr<serve::Accounts> accounts_;
  serve::Service service_;
  serve::http::Server server_;
};

}  // namespace fathom::cli
