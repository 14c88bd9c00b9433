#include "tokenizer/chat/answer/json_scanner.h"

#include <string_view>

#include "io/json.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kJsonSpace = " \t\n\r";
constexpr size_t kMaxScalarBytes = 4096;  // a longer number is no number

bool is_scalar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == 'E' || c == '+' || c == '-' ||
         c == '.';
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

JsonScanner::State JsonScanner::push(char c) {
  if (in_string_) return push_in_string(c);
  if (!scalar_.empty()) {
    if (is_scalar(c)) {
      scalar_ += c;
      return scalar_.size() <= kMaxScalarBytes ? State::kMore : State::kBad;
    }
    if (!end_scalar()) return State::kBad;
  }
  if (kJsonSpace.find(c) != std::string_view::npos) return State::kMore;
  return push_structure(c);
}

JsonScanner::State JsonScanner::push_in_string(char c) {
  if (hex_left_ > 0) {
    --hex_left_;
    return is_hex(c) ? State::kMore : State::kBad;
  }
  if (is_escaped_) {
    is_escaped_ = false;
    if (c == 'u') hex_left_ = 4;
    return std::string_view("\"\\/bfnrtu").find(c) != std::string_view::npos ? State::kMore
                                                                             : State::kBad;
  }
  if (c == '\\') {
    is_escaped_ = true;
  } else if (c == '"') {
    in_string_ = false;
    want_ = is_key_ ? Want::kColon : Want::kCommaOrEnd;
  } else if (static_cast<u8>(c) < 0x20 || static_cast<u8>(c) >= 0xF5) {
    return State::kBad;  // no UTF-8 text holds the latter
  }
  return State::kMore;
}

bool JsonScanner::begin_value() {
  const bool may = want_ == Want::kValue || want_ == Want::kValueOrEnd;
  want_ = Want::kCommaOrEnd;
  return may;
}

bool JsonScanner::end_scalar() {
  const bool good = io::parse_json(scalar_, "").has_value();
  scalar_.clear();
  return good;
}

JsonScanner::State JsonScanner::close(char open) {
  const Want or_end = open == '{' ? Want::kKeyOrEnd : Want::kValueOrEnd;
  if (open_.empty() || open_.back() != open || (want_ != or_end && want_ != Want::kCommaOrEnd)) {
    return State::kBad;
  }
  open_.pop_back();
  want_ = Want::kCommaOrEnd;
  return open_.empty() ? State::kDone : State::kMore;
}

JsonScanner::State JsonScanner::push_structure(char c) {
  const auto good = [](bool is_good) { return is_good ? State::kMore : State::kBad; };
  if (open_.empty() && c != '{') return State::kBad;
  switch (c) {
    case '{':
    case '[':
      if (!begin_value()) return State::kBad;
      open_ += c;
      want_ = c == '{' ? Want::kKeyOrEnd : Want::kValueOrEnd;
      return State::kMore;
    case '}':
      return close('{');
    case ']':
      return close('[');
    case ':': {
      const bool may = want_ == Want::kColon;
      want_ = Want::kValue;
      return good(may);
    }
    case ',': {
      const bool may = want_ == Want::kCommaOrEnd;
      want_ = open_.back() == '{' ? Want::kKey : Want::kValue;
      return good(may);
    }
    case '"':
      is_key_ = want_ == Want::kKey || want_ == Want::kKeyOrEnd;
      in_string_ = true;
      return good(is_key_ || begin_value());
    default:
      scalar_ = c;
      return good(is_scalar(c) && begin_value());
  }
}

}  // namespace fathom::tokenizer
