#pragma once
// How a server goes down at SIGTERM.
#include <functional>

#include "serve/config/listen_config.h"
#include "serve/http/server.h"

namespace fathom::cli {

struct DrainSteps {
  std::function<void()> refuse_new;   // /ready fails from now on, and requests are refused
  std::function<void()> look_around;  // now and then, meanwhile
  std::function<void()> last_words;   // to what still runs when the time is over
};

/// Lets what runs come to its end, by server.drain_delay_s and server.drain_timeout_s. A second
/// signal ends the process by itself.
void drain_server(serve::http::Server& server, const serve::ListenSection& limits,
                  const DrainSteps& steps);

}  // namespace fathom::cli
