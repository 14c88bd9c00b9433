#include "serve/route/routed_stream.h"

#include <utility>

#include "base/log.h"
#include "serve/api/sse.h"

namespace fathom::serve {

http::BodyStream::State RoutedStream::pull(std::string& out) {
  const size_t before = out.size();
  out += std::exchange(parts_.begun, {});
  const http::Exchange::State state = parts_.exchange->pull(out);
  end_ += std::string_view(out).substr(before);
  if (end_.size() > 2) end_.erase(0, end_.size() - 2);
  if (state == http::Exchange::State::kMore) return State::kMore;
  if (state == http::Exchange::State::kEnded) return State::kEnd;
  const std::string problem = parts_.exchange->problem();
  log::warn("request {} has a part of its answer: {}", parts_.id, problem);
  parts_.servers.failed(parts_.place.server(), problem, false);
  parts_.servers.count_broken(parts_.place.server());
  // Behind half an event it would be a part of that.
  if (parts_.is_events && (end_.empty() || end_ == "\n\n")) out += last_event();
  return State::kBroken;
}

/// In the words of the dialect.
std::string RoutedStream::last_event() const {
  const ApiError error{.status = 503,
                       .type = "server_error",
                       .code = "server_lost",
                       .message = "the server that answered was lost; ask again"};
  std::string out;
  if (parts_.plain_path == "/responses") {
    io::JsonObject event;
    event.set("type", "error");
    event.set("code", error.code);
    event.set("message", error.message);
    event.set("param", io::JsonValue());
    out = "event: error\n";
    append_data(io::write_json(event), out);
    return out;
  }
  if (parts_.plain_path == "/messages") out = "event: error\n";
  append_data(parts_.write_error(error, parts_.id).body, out);
  return out;
}

}  // namespace fathom::serve
