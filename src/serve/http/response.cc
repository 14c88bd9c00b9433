#include "serve/http/response.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

namespace fathom::serve::http {
namespace {

void append_value(std::string_view value, std::string& out) {
  for (const char c : value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  });
  return out;
}

void append_header(const Header& header, std::string& out) {
  append_value(header.name, out);
  out += ": ";
  append_value(header.value, out);
  out += "\r\n";
}

std::optional<std::string_view> find_header(const std::vector<Header>& headers,
                                            std::string_view name) {
  const auto at = std::ranges::find_if(headers, [&](const Header& h) { return h.name == name; });
  if (at == headers.end()) return std::nullopt;
  return at->value;
}

std::string_view status_text(int status) {
  struct Known {
    int status;
    std::string_view text;
  };
  static constexpr Known kKnown[] = {
      {200, "OK"},
      {204, "No Content"},
      {304, "Not Modified"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {413, "Content Too Large"},
      {415, "Unsupported Media Type"},
      {421, "Misdirected Request"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {500, "Internal Server Error"},
      {503, "Service Unavailable"},
      {505, "HTTP Version Not Supported"},
      {508, "Loop Detected"},
      {529, "Overloaded"},
  };
  for (const Known& known : kKnown) {
    if (known.status == status) return known.text;
  }
  return "Status";
}

std::string write_head(const Response& response, Framing framing, bool keep) {
  std::string out =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
  for (const Header& header : response.headers) append_header(header, out);
  const std::tm now = fmt::gmtime(std::time(nullptr));
  out += fmt::format("Date: {:%a, %d %b %Y %H:%M:%S} GMT\r\n", now);
  if (framing == Framing::kLength && response.status != 204 && response.status != 304) {
    out += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  if (framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  out += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return out;
}

void append_chunk(std::string_view piece, std::string& out) {
  if (piece.empty()) return;
  out += fmt::format("{:x}\r\n", piece.size());
  out += piece;
  out += "\r\n";
}

}  // namespace fathom::serve::http
