#include "serve/http/client.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <boost/asio/executor_work_guard.hpp>
#include <charconv>
#include <thread>

#include "base/log.h"
#include "serve/http/exchange.h"
#include "serve/http/host_endpoints.h"
#include "serve/http/response.h"

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;

bool is_in_host(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

std::string write_request(const ServerAddress& to, const OutgoingRequest& request) {
  std::string out = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
                                request.method, request.target, to.authority());
  for (const Header& header : request.headers) {
    append_header(header, out);
  }
  if (!request.body.empty() || request.method == "POST") {
    out += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  return out + "\r\n" + request.body;
}

}  // namespace

std::string ServerAddress::authority() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::optional<ServerAddress> parse_server_url(std::string_view url) {
  static constexpr std::string_view kScheme = "http://";
  if (!url.starts_with(kScheme)) return std::nullopt;
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  ServerAddress address;
  if (url.starts_with('[')) {
    const size_t end = url.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    address.host = url.substr(1, end - 1);
    url.remove_prefix(end + 1);
    const auto is_v6 = [](char c) { return is_in_host(c) || c == ':'; };
    if (!std::ranges::all_of(address.host, is_v6)) return std::nullopt;
  } else {
    address.host = url.substr(0, url.find(':'));
    url.remove_prefix(address.host.size());
    if (!std::ranges::all_of(address.host, is_in_host)) return std::nullopt;
  }
  if (address.host.empty()) return std::nullopt;
  if (url.empty()) return address;
  if (!url.starts_with(':')) return std::nullopt;
  url.remove_prefix(1);
  const auto [end, error] = std::from_chars(url.data(), url.data() + url.size(), address.port);
  if (error != std::errc() || end != url.data() + url.size() || address.port == 0) {
    return std::nullopt;
  }
  return address;
}

std::vector<std::string> connection_names(std::string_view value) {
  std::vector<std::string> names;
  while (!value.empty()) {
    std::string_view name = value.substr(0, value.find(','));
    value.remove_prefix(std::min(name.size() + 1, value.size()));
    while (name.starts_with(' ') || name.starts_with('\t')) name.remove_prefix(1);
    while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);
    if (!name.empty()) names.push_back(lower(name));
  }
  return names;
}

bool is_hop_by_hop(std::string_view name) {
  static constexpr std::array kNames = {
      std::string_view("connection"),
      std::string_view("keep-alive"),
      std::string_view("proxy-authenticate"),
      std::string_view("proxy-authorization"),
      std::string_view("proxy-connection"),
      std::string_view("te"),
      std::string_view("trailer"),
      std::string_view("transfer-encoding"),
      std::string_view("upgrade"),
  };
  return std::ranges::find(kNames, name) != kNames.end();
}

Exchange::~Exchange() {
  on_news({});
  cancel("nobody waits for it any more");
}

void Exchange::on_news(std::function<void()> wake) {
  const Lock lock(impl_->mutex_);
  impl_->wake_ = std::move(wake);
  const bool is_news = impl_->head_ || impl_->ended_ || !impl_->problem_.empty();
  if (impl_->wake_ && is_news) impl_->wake_();
}

std::optional<ResponseHead> Exchange::head() const {
  const Lock lock(impl_->mutex_);
  return impl_->head_;
}

Exchange::State Exchange::pull(std::string& out) {
  bool made_room = false;
  State state = State::kMore;
  {
    const Lock lock(impl_->mutex_);
    made_room = !impl_->unread_.empty();
    out += impl_->unread_;
    impl_->unread_.clear();
    if (impl_->ended_) state = State::kEnded;
    if (!impl_->problem_.empty()) state = State::kFailed;
  }
  if (made_room) impl_->room_->raise();
  return state;
}

std::string Exchange::problem() const {
  const Lock lock(impl_->mutex_);
  return impl_->problem_;
}

Exchange::Progress Exchange::progress() const {
  const Lock lock(impl_->mutex_);
  return impl_->progress_;
}

void Exchange::cancel(const std::string& problem) {
  impl_->fail(problem);
  impl_->close();
}

struct Client::Impl {
  explicit Impl(const ClientOptions& options_in)
      : options(options_in), work(asio::make_work_guard(io)) {
    for (i64 i = 0; i < options.threads; ++i) threads.emplace_back([this] { run(); });
  }
  ~Impl() {
    io.stop();
    for (std::thread& thread : threads) thread.join();
  }

  void run() {
    ::pthread_setname_np(::pthread_self(), "http client");
    while (true) {
      try {
        io.run();
        return;
      } catch (const std::exception& fault) {  // ours; everybody else is served on
        log::error("a thread of the HTTP client met a fault of ours: {}", fault.what());
      }
    }
  }

  ClientOptions options;
  const std::shared_ptr<HostEndpoints> hosts = std::make_shared<HostEndpoints>();
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::vector<std::thread> threads;
};

Client::Client(const ClientOptions& options) : impl_(std::make_unique<Impl>(options)) {}
Client::~Client() = default;

std::shared_ptr<Exchange> Client::send(const ServerAddress& to, const OutgoingRequest& request) {
  auto impl = std::make_shared<Exchange::Impl>(impl_->io, impl_->options, impl_->hosts, to,
                                               write_request(to, request));
  impl->start();
  return std::make_shared<Exchange>(std::move(impl));
}

}  // namespace fathom::serve::http
