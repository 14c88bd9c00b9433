#pragma once
// A request's answer, from whichever server gives it.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/api/endpoints.h"
#include "serve/http/client.h"
#include "serve/route/servers.h"

namespace fathom::serve {

/// All that asking a server, and another one, takes.
struct RoutedRequest {
  http::OutgoingRequest outgoing;
  PromptWords prompt;
  std::string id;          // x-request-id
  std::string plain_path;  // without /v1
  ErrorWriter write_error = openai_error_response;
};

/// What is sent on of a request: its headers but for those of the connection, and who asks.
http::OutgoingRequest outgoing_request(http::Request request, const std::string& id);
/// Of an endpoint's dialect.
ErrorWriter error_writer(std::string_view plain_path);
/// 503: no server answers this request. Why is for the log: it has addresses in it.
ApiError no_server();

/// Asks one server after the other until one answers. Nothing of an answer is handed out before it
/// is whole or, if it is a stream or long, begins; until then another server is asked where one
/// cannot be reached or has no room, each once. Where one fails with the whole request, which may
/// be why, one other is asked for it, no more. `servers` and `client` outlive it.
class RoutedAnswer : public http::LateResponse {
 public:
  RoutedAnswer(Servers& servers, http::Client& client, RoutedRequest request)
      : servers_(servers), client_(client), request_(std::move(request)) {}

  void on_news(std::function<void()> wake) override;
  std::optional<http::Response> poll() override;

 private:
  bool ask_next();
  void forget();
  void note_failure();
  std::optional<http::Response> look(http::Exchange::State state, const http::ResponseHead& head);
  http::Response response_of(const http::ResponseHead& head) const;
  http::Response give_up() const;

  Servers& servers_;
  http::Client& client_;
  RoutedRequest request_;
  std::function<void()> wake_;
  std::vector<i64> tried_;
  i64 failed_with_all_ = 0;  // of these, with the whole request
  std::optional<Servers::Place> place_;
  std::shared_ptr<http::Exchange> exchange_;  // at the last one tried; null: none yet
  std::string body_;                          // what came of it
  std::string problem_;                       // of the last one that failed
  std::optional<http::Response> refusal_;     // of the last one that had no room
};

}  // namespace fathom::serve
