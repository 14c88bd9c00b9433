#pragma once
// What comes back: a body, a body bit by bit, or a response that is not known yet. The HTTP layer
// asks for more where it can send more, so a client that reads slowly slows nothing but its own
// request. Destroying a stream or a late response before its end cancels what it stands for: the
// client went away.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http/request.h"

namespace fathom::serve::http {

struct Response;

/// Something that others, such as the engine's thread, bring forward.
class Awaited {
 public:
  virtual ~Awaited() = default;
  /// Before the first look: `wake`, which is cheap and never blocks, will be called by any thread
  /// after which there may be something new. Not called any more once this is destroyed.
  virtual void on_news(std::function<void()> wake) = 0;
};

/// A body that comes bit by bit.
class BodyStream : public Awaited {
 public:
  /// kBroken: it ends here without being whole, and the client can see that it is not.
  enum class State { kMore, kEnd, kBroken };
  /// Appends what there is; does not wait.
  virtual State pull(std::string& out) = 0;
  /// What is sent after a silence, so that proxies keep the connection.
  virtual std::string_view keep_alive() const { return ": keep-alive\n\n"; }
};

/// A response that takes its time.
class LateResponse : public Awaited {
 public:
  /// The response, once; nullopt: not yet. Does not wait.
  virtual std::optional<Response> poll() = 0;
};

struct Response {
  int status = 200;
  std::vector<Header> headers;
  std::string body;                    // where the two below are null
  std::unique_ptr<BodyStream> stream;  // follows this status and these headers
  std::unique_ptr<LateResponse> late;  // the response that counts
  bool close = false;                  // the connection, afterwards
};

/// "Not Found"
std::string_view status_text(int status);

/// "Name: value" and a line's end. Line ends in either, which a client may have sent us, become
/// spaces.
void append_header(const Header& header, std::string& out);
/// How the body will be sent.
enum class Framing { kLength, kChunked, kUntilClose };
/// Status line and headers, with the empty line behind them. `keep`: the connection stays open.
std::string write_head(const Response& response, Framing framing, bool keep);
/// One piece of a chunked body; nothing for an empty one.
void append_chunk(std::string_view piece, std::string& out);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace fathom::serve::http
