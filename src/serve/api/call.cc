#include "serve/api/call.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "base/text.h"

namespace fathom::serve {
namespace {

constexpr size_t kMaxNamesBytes = 1000;  // of a header

}  // namespace

ApiResult<void> check_fields(const Call& call, FieldReader& reader,
                             std::span<const std::span<const FieldRule>> rules,
                             std::vector<std::string>& ignored) {
  const std::vector<std::string> unknown = reader.check(rules);
  if (!unknown.empty() && call.model.strict_fields) {
    reader.fail(bad_request(
        "unknown_parameter", unknown.front(),
        printable(unknown.front().substr(0, 200)) + ": nothing of this name is known here"));
  }
  if (reader.error()) return tl::unexpected(*reader.error());
  ignored.insert(ignored.end(), unknown.begin(), unknown.end());
  return {};
}

void tell_ignored(Call& call, const std::vector<std::string>& names) {
  if (names.empty()) return;
  std::string text = printable(fmt::format("{}", fmt::join(names, ", ")));
  if (text.size() > kMaxNamesBytes) text = text.substr(0, kMaxNamesBytes) + "...";
  call.headers.push_back({"x-fathom-ignored", std::move(text)});
}

std::string random_id(std::string_view prefix) {
  static constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  static thread_local std::random_device device;
  std::uniform_int_distribution<size_t> letter(0, kLetters.size() - 1);
  std::string id(prefix);
  for (int i = 0; i < 24; ++i) id += kLetters[letter(device)];
  return id;
}

std::string request_id(const http::Request& request) {
  const auto given = request.header("x-request-id");
  const auto is_harmless = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  const bool usable =
      given && !given->empty() && given->size() <= 128 && std::ranges::all_of(*given, is_harmless);
  return usable ? std::string(*given) : random_id("req_");
}

double unix_now_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

}  // namespace fathom::serve
