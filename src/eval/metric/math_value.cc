// LaTeX expressions without unknowns, by recursive descent.
#include <charconv>
#include <cmath>
#include <numbers>

#include "eval/metric/math_equal.h"

namespace fathom::eval {
namespace {

constexpr int kMaxDepth = 64;
using Value = std::optional<double>;

class ExpressionReader {
 public:
  explicit ExpressionReader(std::string_view text) : text_(text) {}

  Value read_all() {
    const Value value = sum(0);
    skip();
    return value && at_ == text_.size() ? value : std::nullopt;
  }

 private:
  /// Over spaces and what only sets type.
  void skip() {
    constexpr std::string_view kNothing[] = {
        "\\left", "\\right", "\\,", "\\!", "\\;", "\\:", " ", "\\displaystyle", "\\quad", "$"};
    for (bool again = true; again;) {
      again = false;
      for (const std::string_view each : kNothing) {
        // \left, but not \leftarrow.
        if (!rest().starts_with(each)) continue;
        const bool word = each.size() > 2 && each[0] == '\\';
        const char next = at_ + each.size() < text_.size() ? text_[at_ + each.size()] : ' ';
        if (word && std::isalpha(static_cast<unsigned char>(next)) != 0) continue;
        at_ += each.size();
        again = true;
      }
    }
  }
  std::string_view rest() const { return text_.substr(at_); }
  bool take(std::string_view word) {
    skip();
    if (!rest().starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Value sum(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    double sign = 1.0;
    while (true) {
      if (take("-") || take("\xE2\x88\x92")) {
        sign = -sign;
      } else if (!take("+")) {
        break;
      }
    }
    Value value = product(depth);
    if (!value) return value;
    double total = sign * *value;
    while (true) {
      const bool plus = take("+"), minus = !plus && (take("-") || take("\xE2\x88\x92"));
      if (!plus && !minus) return total;
      value = product(depth);
      if (!value) return value;
      total += minus ? -*value : *value;
    }
  }

  Value product(int depth) {
    Value value = power(depth);
    while (value) {
      if (take("\\cdot") || take("\\times") || take("*") || take("\xC3\x97")) {
        const Value factor = power(depth);
        value = factor ? Value(*value * *factor) : factor;
      } else if (take("/") || take("\\div")) {
        const Value divisor = power(depth);
        value = divisor && *divisor != 0 ? Value(*value / *divisor) : std::nullopt;
      } else if (begins_factor()) {  // 2\sqrt{3}, 3\pi, 2(1+1); 3\frac{1}{2} is a mixed number
        const bool mixed = last_was_number_ && rest().starts_with("\\frac");
        const Value factor = power(depth);
        if (!factor) return factor;
        value = mixed ? *value + *factor : *value * *factor;
      } else {
        break;
      }
    }
    return value;
  }

  bool begins_factor() {
    skip();
    const std::string_view next = rest();
    return next.starts_with("\\sqrt") || next.starts_with("\\pi") || next.starts_with("\\frac") ||
           next.starts_with("\\dfrac") || next.starts_with("\\tfrac") || next.starts_with("(") ||
           next.starts_with("\xCF\x80");
  }

  Value power(int depth) {
    Value value = atom(depth + 1);
    while (value) {
      if (take("^\\circ") || take("^{\\circ}")) continue;
      if (take("^")) {
        const Value exponent = atom(depth + 1);
        if (!exponent) return exponent;
        value = std::pow(*value, *exponent);
        last_was_number_ = false;
      } else if (take("\\%") || take("%")) {
        value = *value / 100;
      } else if (take("!")) {
        value = *value >= 0 && *value <= 170 ? Value(std::tgamma(*value + 1)) : std::nullopt;
      } else {
        break;
      }
    }
    return value && std::isfinite(*value) ? value : std::nullopt;
  }

  Value bracketed(std::string_view close, int depth) {
    const Value value = sum(depth + 1);
    return value && take(close) ? value : std::nullopt;
  }

  /// {expression}, or one digit.
  Value argument(int depth) {
    if (take("{")) return bracketed("}", depth);
    skip();
    if (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') {
      return static_cast<double>(text_[at_++] - '0');
    }
    return std::nullopt;
  }

  Value atom(int depth) {
    if (depth > kMaxDepth) return std::nullopt;
    last_was_number_ = false;
    if (take("(")) return bracketed(")", depth);
    if (take("{")) return bracketed("}", depth);
    if (take("-")) {
      const Value value = atom(depth + 1);
      return value ? Value(-*value) : value;
    }
    if (take("\\pi") || take("\xCF\x80")) return std::numbers::pi;
    if (take("\\dfrac") || take("\\tfrac") || take("\\frac")) {
      const Value upper = argument(depth), lower = upper ? argument(depth) : std::nullopt;
      return lower && *lower != 0 ? Value(*upper / *lower) : std::nullopt;
    }
    if (take("\\sqrt") || take("\xE2\x88\x9A")) return root(depth);
    return number();
  }

  Value root(int depth) {
    Value degree = 2.0;
    if (take("[")) degree = bracketed("]", depth);
    if (!degree || *degree == 0) return std::nullopt;
    const Value inner = argument(depth);
    if (!inner) return inner;
    const bool odd = std::fmod(std::abs(*degree), 2.0) == 1.0;
    if (*inner < 0) return odd ? Value(-std::pow(-*inner, 1 / *degree)) : std::nullopt;
    return *degree == 2 ? std::sqrt(*inner) : std::pow(*inner, 1 / *degree);
  }

  Value number() {
    skip();
    std::string digits;
    while (at_ < text_.size() && ((text_[at_] >= '0' && text_[at_] <= '9') || text_[at_] == '.')) {
      digits += text_[at_++];
      // 1,234,567, and LaTeX's 1{,}234.
      const std::string_view comma = rest().starts_with("{,}") ? "{,}" : ",";
      if (rest().starts_with(comma) && digits.find('.') == digits.npos && thousands(comma.size())) {
        at_ += comma.size();
      }
    }
    double value = 0.0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || end.ec != std::errc() || end.ptr != digits.data() + digits.size())
      return {};
    last_was_number_ = true;
    return value;
  }

  /// Three digits and no fourth behind a comma.
  bool thousands(size_t comma) const {
    const std::string_view next = rest().substr(comma);
    size_t digits = 0;
    while (digits < next.size() && next[digits] >= '0' && next[digits] <= '9') ++digits;
    return digits == 3;
  }

  std::string_view text_;
  size_t at_ = 0;
  bool last_was_number_ = false;
};

}  // namespace

std::optional<double> math_value(std::string_view expression) {
  if (expression.empty()) return std::nullopt;
  return ExpressionReader(expression).read_all();
}

}  // namespace fathom::eval
