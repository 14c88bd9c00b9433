// Bytes of a client to a real server on the loopback. In the text, a byte 0xfe cuts it into what
// comes at once and what comes later. Whatever is sent, only responses come back and the server
// lives on.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cctype>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "serve/http/server.h"

namespace fathom::serve::http {
namespace {

constexpr char kCut = '\xfe';
constexpr int kClientPatienceMs = 10'000;

/// Three pieces, each of which is news.
class Pieces : public BodyStream {
 public:
  void on_news(std::function<void()> wake) override { wake_ = std::move(wake); }
  State pull(std::string& out) override {
    out += "data: {}\n\n";
    wake_();
    return ++pulled_ < 3 ? State::kMore : State::kEnd;
  }

 private:
  std::function<void()> wake_;
  int pulled_ = 0;
};

class Echo : public Handler {
 public:
  std::optional<Response> refuse(const Request& head) override {
    if (head.path == "/refuse") return Response{.status = 403};
    return std::nullopt;
  }
  void handle(Request request, std::function<void(Response)> done) override {
    Response response{.headers = request.headers, .body = std::move(request.body)};
    if (request.path == "/stream") response.stream = std::make_unique<Pieces>();
    done(std::move(response));
  }
  Response error(int status, const std::string& reason, const Request&) override {
    return {.status = status, .body = reason};
  }
};

u16 port() {
  static Echo echo;
  static Server server({.port = 0,
                        .threads = 1,
                        .max_header_bytes = 2000,
                        .max_body_bytes = 4000,
                        .header_s = 0.002,
                        .body_grace_s = 0.002,
                        .idle_s = 0.002},
                       echo);
  static const bool started = [] {
    log::set_level(log::Level::kOff);
    server.start();
    return true;
  }();
  (void)started;
  return server.port();
}

class Client {
 public:
  Client() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port());
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    FATHOM_CHECK(
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0,
        "the server does not answer any more");
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(socket_); }

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // it has closed
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }

  /// Until the server closes.
  std::string read_all() {
    std::string all;
    char piece[4096];
    pollfd wait{.fd = socket_, .events = POLLIN, .revents = 0};
    while (true) {
      FATHOM_CHECK(::poll(&wait, 1, kClientPatienceMs) == 1, "the server says nothing for long");
      const ssize_t bytes = ::recv(socket_, piece, sizeof(piece), 0);
      if (bytes <= 0) return all;
      all.append(piece, static_cast<size_t>(bytes));
    }
  }

 private:
  int socket_;
};

void check(std::string_view input) {
  Client client;
  while (!input.empty()) {
    const size_t cut = std::min(input.find(kCut), input.size());
    client.send(input.substr(0, cut));
    input.remove_prefix(std::min(cut + 1, input.size()));
    if (!input.empty()) std::this_thread::yield();
  }
  const std::string answer = client.read_all();
  if (answer.empty()) return;
  FATHOM_CHECK(answer.starts_with("HTTP/1.1 ") && answer.size() > 12, answer);
  for (const char digit : answer.substr(9, 3)) {
    FATHOM_CHECK(std::isdigit(static_cast<unsigned char>(digit)), answer);
  }
}

}  // namespace
}  // namespace fathom::serve::http

extern "C" int LLVMFuzzerTestOneInput(const fathom::u8* data, size_t size) {
  fathom::serve::http::check({reinterpret_cast<const char*>(data), size});
  return 0;
}
