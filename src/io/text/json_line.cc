#include "io/text/json_line.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "io/json_sax.h"

namespace fathom::io {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool ends_scalar(char c) {
  return is_space(c) || c == '\0' || std::string_view("{}[],:\"").find(c) != std::string_view::npos;
}

void append_utf8(u32 code, std::string& out) {
  const auto byte = [&out](u32 value) { out.push_back(static_cast<char>(value)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

/// What stands between the quotes of a string, decoded and repaired.
class StringDecoder {
 public:
  /// `column` is that of raw[0], from 1.
  StringDecoder(std::string_view raw, size_t column) : raw_(raw), column_(column) {}

  LineText decode() {
    while (at_ < raw_.size()) {
      const size_t begin = at_;
      while (at_ < raw_.size() && raw_[at_] != '\\' && static_cast<u8>(raw_[at_]) >= 0x20) ++at_;
      result_.text.append(raw_.substr(begin, at_ - begin));
      if (at_ == raw_.size()) break;
      if (raw_[at_] == '\\') {
        decode_escape();
      } else {
        note(fmt::format("the control character U+{:04X} is not escaped",
                         static_cast<unsigned>(raw_[at_])));
        result_.text.push_back(raw_[at_++]);
      }
    }
    return std::move(result_);
  }

 private:
  void decode_escape() {
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    const char letter = at_ + 1 < raw_.size() ? raw_[at_ + 1] : '\0';
    const size_t known = kLetters.find(letter);
    if (known != std::string_view::npos) {
      result_.text.push_back(kMeanings[known]);
      at_ += 2;
    } else if (const auto unit = unit_at(at_)) {
      decode_unit(*unit);
    } else {
      note(fmt::format("the escape {} means nothing", sax::excerpt(raw_.substr(at_, 2))));
      result_.text += kReplacement;  // for the backslash; what follows is text
      ++at_;
    }
  }

  void decode_unit(u32 unit) {
    const bool is_high = unit >= 0xD800 && unit < 0xDC00;
    const auto second = is_high ? unit_at(at_ + 6) : std::nullopt;
    if (second && *second >= 0xDC00 && *second < 0xE000) {
      append_utf8(0x10000 + ((unit - 0xD800) << 10) + (*second - 0xDC00), result_.text);
      at_ += 12;
      return;
    }
    if (unit >= 0xD800 && unit < 0xE000) {
      note(fmt::format("{} is half a character", raw_.substr(at_, 6)));
      result_.text += kReplacement;
    } else {
      append_utf8(unit, result_.text);
    }
    at_ += 6;
  }

  /// The UTF-16 unit that "\uXXXX" at `at` stands for.
  std::optional<u32> unit_at(size_t at) const {
    const std::string_view escape = at < raw_.size() ? raw_.substr(at, 6) : std::string_view();
    if (escape.size() < 6 || !escape.starts_with("\\u")) return std::nullopt;
    u32 unit = 0;
    for (const char digit : escape.substr(2)) {
      const char lower = static_cast<char>(digit | 0x20);
      const bool is_letter = lower >= 'a' && lower <= 'f';
      if (!is_letter && (digit < '0' || digit > '9')) return std::nullopt;
      unit = unit << 4 | static_cast<u32>(is_letter ? lower - 'a' + 10 : digit - '0');
    }
    return unit;
  }

  void note(const std::string& what) {
    if (result_.num_defects++ == 0) result_.defect = fmt::format(":{}: {}", column_ + at_, what);
  }

  std::string_view raw_;
  size_t column_;
  size_t at_ = 0;
  LineText result_;
};

/// The frame of the line; members that nobody asked for are passed over.
class LineScanner {
 public:
  LineScanner(std::string_view line, std::string_view key) : line_(line), key_(key) {
    if (line_.starts_with(kByteOrderMark)) at_ = kByteOrderMark.size();
  }

  Result<LineText> scan() {
    if (!take('{')) return refuse("expected an object, found " + describe());
    if (!take('}')) {
      do {
        if (auto done = scan_member(); !done) return tl::unexpected(std::move(done.error()));
      } while (take(','));
      if (!take('}')) return refuse(expected("a comma or the end of the object"));
    }
    skip_space();
    if (at_ < line_.size()) return refuse(expected("the end of the line"));
    if (!found_) return invalid_input(": " + missing());
    if (!line_.substr(*found_).starts_with('"')) {
      at_ = *found_;
      return refuse(fmt::format("`{}`: expected a string, found {}", key_, describe()));
    }
    return StringDecoder(string_at(*found_), *found_ + 2).decode();
  }

 private:
  Result<void> scan_member() {
    skip_space();
    const size_t begin = at_;
    if (at_ == line_.size() || line_[at_] != '"') return refuse(expected("a member's name"));
    if (!skip_string()) return refuse_unfinished(begin);
    const std::string name = StringDecoder(string_at(begin), begin + 2).decode().text;
    if (!take(':')) return refuse(expected("a colon"));
    skip_space();
    const size_t value = at_;
    if (auto done = skip_value(); !done) return done;
    if (name == key_) {
      if (found_) return refuse_at(begin, fmt::format("a second member `{}`", key_));
      found_ = value;
    } else if (num_names_++ < names_.size()) {
      names_[num_names_ - 1] = string_at(begin);
    }
    return {};
  }

  /// One value of any kind: a string, a word or number, or brackets with anything between them.
  Result<void> skip_value() {
    std::string closers;  // that are still to come
    do {
      if (!closers.empty()) skip_between();
      if (at_ == line_.size()) return refuse(expected(closers.empty() ? "a value" : "a bracket"));
      const size_t begin = at_;
      const char c = line_[at_];
      if (c == '"') {
        if (!skip_string()) return refuse_unfinished(begin);
      } else if (c == '{' || c == '[') {
        closers.push_back(c == '{' ? '}' : ']');
        ++at_;
      } else if (!closers.empty() && c == closers.back()) {
        closers.pop_back();
        ++at_;
      } else if (!ends_scalar(c)) {
        while (at_ < line_.size() && !ends_scalar(line_[at_])) ++at_;
      } else {
        return refuse(expected("a value"));
      }
    } while (!closers.empty());
    return {};
  }

  /// False if it does not end.
  bool skip_string() {
    for (++at_; at_ < line_.size(); ++at_) {
      if (line_[at_] == '"') return ++at_, true;
      if (line_[at_] == '\\') ++at_;
    }
    at_ = line_.size();
    return false;
  }
  /// Between the quotes; the string ends.
  std::string_view string_at(size_t begin) const {
    size_t end = begin + 1;
    while (line_[end] != '"') end += line_[end] == '\\' ? 2 : 1;
    return line_.substr(begin + 1, end - begin - 1);
  }
  void skip_space() {
    while (at_ < line_.size() && is_space(line_[at_])) ++at_;
  }
  void skip_between() {
    while (at_ < line_.size() && (is_space(line_[at_]) || line_[at_] == ',' || line_[at_] == ':')) {
      ++at_;
    }
  }
  bool take(char c) {
    skip_space();
    if (at_ == line_.size() || line_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// What begins here.
  std::string describe() const {
    const std::string_view rest = line_.substr(at_);
    if (rest.empty()) return "the end of the line";
    if (rest[0] == '\0') return "a NUL byte";
    if (rest[0] == '{') return "an object";
    if (rest[0] == '[') return "an array";
    if (rest[0] == '"') {
      return "a string " +
             sax::excerpt(rest.substr(0, std::min(rest.find('"', 1), rest.size() - 1) + 1), 40);
    }
    const std::string word =
        sax::excerpt(rest.substr(0, std::max<size_t>(1, scalar_bytes(rest))), 40);
    return (word[0] >= '0' && word[0] <= '9') || word[0] == '-' ? "the number " + word : word;
  }
  static size_t scalar_bytes(std::string_view text) {
    size_t bytes = 0;
    while (bytes < text.size() && !ends_scalar(text[bytes])) ++bytes;
    return bytes;
  }
  std::string expected(std::string_view what) const {
    return fmt::format("expected {}, found {}", what, describe());
  }
  std::string missing() const {
    std::string text = fmt::format("no member `{}`", key_);
    const size_t shown = std::min(num_names_, names_.size());
    for (size_t i = 0; i < shown; ++i) {
      text += fmt::format("{} `{}`", i == 0 ? "; the line has" : ",", sax::excerpt(names_[i], 40));
    }
    return text + (num_names_ > shown ? ", ..." : "");
  }
  tl::unexpected<Error> refuse_at(size_t at, const std::string& what) const {
    return invalid_input(fmt::format(":{}: {}", at + 1, what));
  }
  tl::unexpected<Error> refuse(const std::string& what) const { return refuse_at(at_, what); }
  tl::unexpected<Error> refuse_unfinished(size_t begin) const {
    return refuse_at(begin, "a string that does not end");
  }

  std::string_view line_;
  std::string_view key_;
  size_t at_ = 0;
  std::optional<size_t> found_;            // where the value begins
  std::array<std::string_view, 8> names_;  // of other members, as written
  size_t num_names_ = 0;
};

}  // namespace

Result<LineText> text_of_json_line(std::string_view line, std::string_view key) {
  return LineScanner(line, key).scan();
}

}  // namespace fathom::io
