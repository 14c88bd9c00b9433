#pragma once
// HTTP/1.1 to one server, for the requests of an evaluation. All of Boost is inside the .cc file.
#include <memory>
#include <string>

#include "base/error.h"
#include "base/types.h"

namespace fathom::eval {

/// "https://host:port/path" in its parts.
struct Url {
  bool tls = false;
  std::string host, port, path;  // path: "" or "/v1"
};
/// kInvalidInput: not http:// or https:// with a host.
Result<Url> parse_url(const std::string& text);

struct HttpReply {
  int status = 0;
  std::string body;
};

/// One connection, kept open between requests and made anew when the server closed it. Certificates
/// are checked against the system's. Not thread-safe.
class HttpClient {
 public:
  /// `key` goes into Authorization, if there is one.
  HttpClient(const Url& url, std::string key);
  ~HttpClient();

  /// POST of a JSON body; `path` is behind the URL's own. A request that failed on an old
  /// connection is sent once more on a new one. Throws Error{kIo} that names the server
  /// and the reason.
  HttpReply send(const std::string& path, const std::string& body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fathom::eval
