#include "eval/endpoint/http_client.h"

#include <fmt/format.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <chrono>
#include <optional>
#include <utility>

namespace fathom::eval {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::system::error_code;

constexpr u64 kMaxReplyBytes = u64{1} << 30;
constexpr auto kTimeout = std::chrono::minutes(10);  // of one step: a long answer takes its time

}  // namespace

Result<Url> parse_url(const std::string& text) {
  Url url;
  std::string rest;
  if (text.starts_with("http://")) {
    rest = text.substr(7);
  } else if (text.starts_with("https://")) {
    url.tls = true;
    rest = text.substr(8);
  }
  const size_t slash = rest.find('/');
  std::string place = rest.substr(0, slash);
  if (slash != rest.npos) url.path = rest.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  const size_t bracket = place.starts_with('[') ? place.find(']') : 0;
  const size_t colon = bracket == place.npos ? place.npos : place.find(':', bracket);
  url.port = colon == place.npos ? (url.tls ? "443" : "80") : place.substr(colon + 1);
  url.host = place.substr(0, colon);
  if (bracket > 0 && url.host.size() > 2) url.host = url.host.substr(1, bracket - 1);
  const bool digits = !url.port.empty() && url.port.size() <= 5 &&
                      url.port.find_first_not_of("0123456789") == url.port.npos;
  if (url.host.empty() || !digits || place.find('@') != place.npos) {
    return invalid_input(
        fmt::format("\"{}\": expected http://HOST:PORT/PATH or https://HOST/PATH", text));
  }
  return url;
}

/// Asynchronous operations run one at a time, each until it is done: that is what has time limits.
struct HttpClient::Impl {
  Impl(const Url& url_in, std::string key_in)
      : url(url_in), key(std::move(key_in)), tls(asio::ssl::context::tls_client) {
    tls.set_default_verify_paths();
    tls.set_verify_mode(asio::ssl::verify_peer);
  }

  beast::tcp_stream& tcp() { return secure ? beast::get_lowest_layer(*secure) : *plain; }

  /// Runs what was started and takes its result.
  template <typename Start>
  void wait(std::string_view what, Start start) {
    error_code result = asio::error::would_block;
    tcp().expires_after(kTimeout);
    start([&result](error_code error, auto&&...) { result = error; });
    context.restart();
    context.run();
    if (result) throw boost::system::system_error(result, std::string(what));
  }

  void connect() {
    asio::ip::tcp::resolver resolver(context);
    const auto places = resolver.resolve(url.host, url.port);
    buffer.clear();
    if (!url.tls) {
      plain.emplace(context);
    } else {
      secure.emplace(context, tls);
      SSL_set_tlsext_host_name(secure->native_handle(), url.host.c_str());
      secure->set_verify_callback(asio::ssl::host_name_verification(url.host));
    }
    wait("connect", [&](auto done) { tcp().async_connect(places, done); });
    if (secure) {
      wait("TLS handshake",
           [&](auto done) { secure->async_handshake(asio::ssl::stream_base::client, done); });
    }
    connected = true;
  }

  void close() {
    secure.reset();
    plain.reset();
    connected = false;
  }

  HttpReply exchange(http::request<http::string_body>& request) {
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxReplyBytes);
    const auto both = [&](auto& stream) {
      wait("send", [&](auto done) { http::async_write(stream, request, done); });
      wait("read", [&](auto done) { http::async_read(stream, buffer, parser, done); });
    };
    secure ? both(*secure) : both(*plain);
    if (!parser.get().keep_alive()) close();
    return {static_cast<int>(parser.get().result_int()), std::move(parser.get().body())};
  }

  Url url;
  std::string key;
  asio::io_context context;
  asio::ssl::context tls;
  std::optional<beast::tcp_stream> plain;
  std::optional<beast::ssl_stream<beast::tcp_stream>> secure;
  beast::flat_buffer buffer;
  bool connected = false;
};

HttpClient::HttpClient(const Url& url, std::string key)
    : impl_(std::make_unique<Impl>(url, std::move(key))) {}
HttpClient::~HttpClient() = default;

HttpReply HttpClient::send(const std::string& path, const std::string& body) {
  http::request<http::string_body> request(http::verb::post, impl_->url.path + path, 11);
  request.set(http::field::host, impl_->url.host + ":" + impl_->url.port);
  request.set(http::field::user_agent, "fathom");
  if (!impl_->key.empty()) request.set(http::field::authorization, "Bearer " + impl_->key);
  request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  while (true) {
    const bool old = impl_->connected;
    try {
      if (!old) impl_->connect();
      return impl_->exchange(request);
    } catch (const boost::system::system_error& failed) {
      impl_->close();
      if (old) continue;  // closed meanwhile by the server, most likely
      throw Error(ErrorCode::kIo, fmt::format("{}:{}{}: {}", impl_->url.host, impl_->url.port,
                                              impl_->url.path + path, failed.what()));
    }
  }
}

}  // namespace fathom::eval
