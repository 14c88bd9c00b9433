#pragma once
// What SIGHUP changes of a running server.
#include <signal.h>

#include "cli/serve/loaded_model.h"
#include "serve/accounts/accounts.h"
#include "serve/config/serve_config.h"
#include "serve/http/server.h"
#include "serve/service.h"

namespace fathom::cli {

/// While it lives SIGHUP, which else ends the process, asks for the configuration to be read again.
class ReloadSignal {
 public:
  ReloadSignal();
  ~ReloadSignal();
  ReloadSignal(const ReloadSignal&) = delete;
  ReloadSignal& operator=(const ReloadSignal&) = delete;

  /// Whether one came since the last time.
  bool take();

 private:
  struct sigaction previous_ = {};
};

/// The parts of a running server that can change.
struct Running {
  serve::Accounts& accounts;
  serve::Service& service;
  serve::http::Server& server;
  LoadedModel& model;
  bool is_level_fixed = false;  // of the log, by --verbose or --quiet
};

/// Keys, prices, aliases, allowed origins, the log's level and the certificate of `next` hold from
/// now on; of what else is not as in `started` the log says that it waits for a restart. Throws
/// Error, and changes nothing, where the certificate is wrong.
void reload(serve::ServeConfig started, serve::ServeConfig next, const Running& running);

}  // namespace fathom::cli
