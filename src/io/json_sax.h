#pragma once
// Internal to io/: nlohmann's event parser over untrusted text, with caps and positions. Only .cc
// files include this (it pulls in nlohmann's whole header).
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace fathom::io::sax {

/// Reads text and remembers how far the lexer has come, so that an error found by a handler can say
/// where. Copies share the counter.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** farthest) : at_(at), farthest_(farthest) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    *farthest_ = ++at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator old = *this;
    ++*this;
    return old;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** farthest_;
};

/// "config.json:3:14" for a byte offset; lines and columns (bytes) count from 1.
std::string place(std::string_view text, size_t offset, std::string_view where);
/// At most `max_bytes` of untrusted text, other bytes than printable ASCII and UTF-8's as '?'.
std::string excerpt(std::string_view text, size_t max_bytes = 80);
/// The part of an nlohmann message after its "[json.exception...] parse error at ...: " prefix.
std::string plain_message(std::string_view nlohmann_message);

/// The text with \ufffd, of the same length, for every escaped half of a surrogate pair.
std::string without_lone_surrogates(std::string_view json);

/// Base of handlers: nlohmann's events with every one refused until a subclass (CRTP, by hiding)
/// takes it. A handler stops the parse by `return refuse("what is wrong")`.
class Handler {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  bool binary(binary_t&) { return refuse("binary value"); }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    return refuse(plain_message(error.what()));
  }
  const std::string& problem() const { return problem_; }

 protected:
  bool refuse(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }

 private:
  std::string problem_;
};

/// Runs the parser; the whole text must be one JSON value (trailing spaces allowed).
template <typename HandlerT>
Result<void> parse(std::string_view text, std::string_view where, HandlerT& handler) {
  // To the lexer a NUL ends the text; to JSON it is no character anywhere.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return invalid_input(fmt::format("{}: a NUL byte", place(text, nul, where)));
  }
  const char* farthest = text.data();
  const CountingIterator begin(text.data(), &farthest);
  const CountingIterator end(text.data() + text.size(), &farthest);
  if (nlohmann::json::sax_parse(begin, end, &handler)) return {};
  const auto offset = static_cast<size_t>(farthest - text.data());
  return invalid_input(
      fmt::format("{}: {}", place(text, offset > 0 ? offset - 1 : 0, where), handler.problem()));
}

}  // namespace fathom::io::sax
