#pragma once
// An answer of another server on its way to the client, as it comes.
#include <memory>
#include <string>

#include "serve/api/endpoints.h"
#include "serve/http/client.h"
#include "serve/route/servers.h"

namespace fathom::serve {

/// How a router calls itself in Via.
inline constexpr std::string_view kRouterName = "fathom-route";

/// Reads on only as the client does. If the server fails the client is told, where the answer is a
/// stream of events, and the body ends without its end.
class RoutedStream : public http::BodyStream {
 public:
  struct Parts {
    Servers& servers;
    Servers::Place place;
    std::shared_ptr<http::Exchange> exchange;
    std::string begun;  // what came already
    bool is_events;
    std::string plain_path;
    std::string id;
    ErrorWriter write_error;
  };
  explicit RoutedStream(Parts parts) : parts_(std::move(parts)) {}

  void on_news(std::function<void()> wake) override { parts_.exchange->on_news(std::move(wake)); }
  State pull(std::string& out) override;
  /// The server's own comes through; in other bodies there is no place for it.
  std::string_view keep_alive() const override { return {}; }

 private:
  std::string last_event() const;

  Parts parts_;
  std::string end_;  // the last bytes that were handed out
};

}  // namespace fathom::serve
