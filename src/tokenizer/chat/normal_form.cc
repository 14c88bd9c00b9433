#include "tokenizer/chat/normal_form.h"

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kSpaces = " \t\n\r";

/// Line ends as Jinja reads them: CR LF and CR are LF.
std::string with_unix_lines(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out.push_back(text[i] == '\r' ? '\n' : text[i]);
  }
  return out;
}

/// The position behind the tag's last inner character ("-" included) or npos; quotes hide "%}".
size_t find_tag_end(std::string_view jinja, size_t begin, std::string_view close, bool quotes) {
  char quote = '\0';
  for (size_t i = begin; i < jinja.size(); ++i) {
    const char c = jinja[i];
    if (quote != '\0') {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = '\0';
      }
    } else if (jinja.substr(i).starts_with(close)) {
      return i;
    } else if (quotes && (c == '\'' || c == '"')) {
      quote = c;
    }
  }
  return std::string_view::npos;
}

/// A tag's inside without white space; inside quotes a newline becomes the two characters "\n".
void append_inside(std::string_view inside, std::string& out) {
  char quote = '\0';
  for (size_t i = 0; i < inside.size(); ++i) {
    const char c = inside[i];
    if (quote == '\0') {
      if (c == '\'' || c == '"') quote = c;
      if (kSpaces.find(c) == std::string_view::npos) out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else {
      out.push_back(c);
      if (c == '\\' && i + 1 < inside.size()) {
        out.push_back(inside[++i]);
      } else if (c == quote) {
        quote = '\0';
      }
    }
  }
}

/// What precedes a piece of text outside tags, as far as trimming cares.
struct Before {
  bool trim_mark = false;  // the last tag ended with "-%}"
  bool block = false;      // the last tag was a block or comment: trim_blocks eats one newline
  bool line_start = true;  // the text begins at a line's start
};

/// Jinja's trimming of the text between two tags; `tag_opens_block`: lstrip_blocks applies.
std::string_view trimmed(std::string_view text, const Before& before, bool tag_trims,
                         bool tag_opens_block) {
  bool line_start = before.line_start;
  if (before.trim_mark) {
    const size_t first = text.find_first_not_of(kSpaces);
    text.remove_prefix(first == std::string_view::npos ? text.size() : first);
    line_start = false;
  } else if (before.block && text.starts_with('\n')) {
    text.remove_prefix(1);
    line_start = true;
  }
  if (tag_trims) return text.substr(0, text.find_last_not_of(kSpaces) + 1);
  if (!tag_opens_block) return text;
  const size_t line = text.rfind('\n') + 1;  // 0 if there is none
  const bool only_blanks = text.find_first_not_of(" \t", line) == std::string_view::npos;
  return only_blanks && (line > 0 || line_start) ? text.substr(0, line) : text;
}

}  // namespace

std::optional<std::string> chat_template_normal_form(std::string_view jinja) {
  std::string unix_lines;
  if (jinja.find('\r') != std::string_view::npos) {
    unix_lines = with_unix_lines(jinja);
    jinja = unix_lines;
  }
  if (jinja.ends_with('\n')) jinja.remove_suffix(1);
  std::string out;
  Before before;
  size_t pos = 0;
  while (true) {
    size_t tag = pos;
    const auto opens_tag = [&](size_t i) {
      return jinja[i] == '{' && i + 1 < jinja.size() &&
             (jinja[i + 1] == '%' || jinja[i + 1] == '{' || jinja[i + 1] == '#');
    };
    while (tag < jinja.size() && !opens_tag(tag)) ++tag;
    if (tag >= jinja.size()) {
      out += trimmed(jinja.substr(pos), before, false, false);
      return out;
    }
    const char kind = jinja[tag + 1];
    const bool is_output = kind == '{';
    size_t begin = tag + 2;
    const bool tag_trims = begin < jinja.size() && jinja[begin] == '-';
    out += trimmed(jinja.substr(pos, tag - pos), before, tag_trims, !is_output);

    if (tag_trims) ++begin;
    const std::string_view close = is_output ? "}}" : kind == '%' ? "%}" : "#}";
    const size_t end = find_tag_end(jinja, begin, close, kind != '#');
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view inside = jinja.substr(begin, end - begin);
    before = {.trim_mark = inside.ends_with('-'), .block = !is_output, .line_start = false};
    if (before.trim_mark) inside.remove_suffix(1);
    if (kind != '#') {
      out.push_back('{');
      out.push_back(kind);
      append_inside(inside, out);
      out += close;
    }
    pos = end + 2;
  }
}

std::optional<u64> chat_template_hash(std::string_view jinja) {
  const std::optional<std::string> normal_form = chat_template_normal_form(jinja);
  if (!normal_form) return std::nullopt;
  return fnv1a(*normal_form);
}

u64 fnv1a(std::string_view text) {
  u64 hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<u8>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace fathom::tokenizer
