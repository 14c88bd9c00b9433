#include "tokenizer/chat/loose_form.h"

#include <algorithm>
#include <vector>

#include "tokenizer/chat/normal_form.h"

namespace fathom::tokenizer {
namespace {

// Marks in place of texts. A template cannot forge one to any use: it would name itself wrongly.
constexpr std::string_view kSystemMark = "\1system\1";
constexpr std::string_view kDateMark = "\1date\1";
/// Of a text that is taken out. Without it a hostile template would be searched in quadratic time.
constexpr size_t kMaxTextBytes = size_t{16} << 10;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// A quoted text's end, behind the closing quote; `inside` begins with the opening one.
size_t quoted_size(std::string_view inside) {
  size_t i = 1;
  while (i < inside.size() && inside[i] != inside[0]) i += inside[i] == '\\' ? 2 : 1;
  return std::min(i + 1, inside.size());
}

/// The characters that a quoted text stands for. An escape that templates do not use stays as it
/// is.
std::string unquoted(std::string_view quoted) {
  std::string out;
  for (size_t i = 1; i + 1 < quoted.size(); ++i) {
    if (quoted[i] != '\\' || i + 2 >= quoted.size()) {
      out.push_back(quoted[i]);
      continue;
    }
    const char c = quoted[++i];
    if (c == 'n' || c == 't' || c == '\\' || c == '\'' || c == '"') {
      out.push_back(c == 'n' ? '\n' : c == 't' ? '\t' : c);
    } else {
      out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') out.push_back('\\');
    out.push_back(c);
  }
  return out + "'";
}

/// ['key'] behind a name, as .key; 0 if it is not that, else how long it is.
size_t subscript_size(std::string_view rest, std::string_view before) {
  if (before.empty() || !(is_word(before.back()) || before.back() == ']')) return 0;
  if (rest.size() < 5 || rest[0] != '[' || (rest[1] != '\'' && rest[1] != '"')) return 0;
  const size_t end = 1 + quoted_size(rest.substr(1));
  const std::string_view key = rest.substr(2, end - 3);
  const bool is_name = !key.empty() && std::all_of(key.begin(), key.end(), is_word);
  return is_name && end < rest.size() && rest[end] == ']' ? end + 1 : 0;
}

/// A part of an expression: a quoted text, or code between two.
struct Part {
  bool is_text = false;
  std::string value;
};

/// An expression in parts; code has m.key for m['key'].
std::vector<Part> parts_of(std::string_view inside) {
  std::vector<Part> parts;
  std::string code;
  for (size_t i = 0; i < inside.size();) {
    if (const size_t size = subscript_size(inside.substr(i), code); size > 0) {
      code.append(".").append(inside.substr(i + 2, size - 4));
      i += size;
    } else if (inside[i] == '\'' || inside[i] == '"') {
      const size_t text_size = quoted_size(inside.substr(i));
      if (!code.empty()) parts.push_back({false, std::move(code)});
      code.clear();
      parts.push_back({true, unquoted(inside.substr(i, text_size))});
      i += text_size;
    } else {
      code.push_back(inside[i++]);
    }
  }
  if (!code.empty()) parts.push_back({false, std::move(code)});
  return parts;
}

/// Collects the form; neighbouring texts that are put out become one.
class FormWriter {
 public:
  void put_text(std::string_view text) { pending_ += text; }
  void put_code(std::string_view code) {
    flush();
    form_.append("{{").append(code).append("}}");
  }
  void statement(const std::vector<Part>& parts) {
    flush();
    form_ += "{%";
    append(parts);
    form_ += "%}";
  }
  /// An output that cannot be taken apart.
  void whole(const std::vector<Part>& parts) {
    flush();
    form_ += "{{";
    append(parts);
    form_ += "}}";
  }
  std::string take() {
    flush();
    return std::move(form_);
  }

 private:
  void append(const std::vector<Part>& parts) {
    for (const Part& part : parts) form_ += part.is_text ? in_quotes(part.value) : part.value;
  }
  void flush() {
    if (!pending_.empty()) form_.append("{{").append(in_quotes(pending_)).append("}}");
    pending_.clear();
  }

  std::string form_, pending_;
};

/// a+'text'+b is three outputs: texts, names and their filters, with nothing but + between them.
void write_output(const std::vector<Part>& parts, FormWriter& out) {
  std::vector<Part> outputs;
  bool expects_plus = false, is_sum = true;
  for (const Part& part : parts) {
    if (part.is_text) {
      is_sum = is_sum && !expects_plus;
      outputs.push_back(part);
      expects_plus = true;
      continue;
    }
    std::string_view code = part.value;
    if (expects_plus) {
      is_sum = is_sum && code.starts_with('+');
      code.remove_prefix(std::min<size_t>(1, code.size()));
    }
    const bool ends_in_plus = part.value.ends_with('+');
    if (code.ends_with('+')) code.remove_suffix(1);
    const bool is_path = std::all_of(code.begin(), code.end(), [](char c) {
      return is_word(c) || c == '.' || c == '|' || c == '[' || c == ']' || c == '+';
    });
    is_sum = is_sum && is_path && code.find("else") == std::string_view::npos;
    for (size_t begin = 0; begin < code.size();) {
      const size_t end = std::min(code.find('+', begin), code.size());
      outputs.push_back({false, std::string(code.substr(begin, end - begin))});
      begin = end + 1;
    }
    expects_plus = !ends_in_plus;
  }
  if (!is_sum) return out.whole(parts);
  for (const Part& part : outputs) {
    if (part.is_text) {
      out.put_text(part.value);
    } else {
      out.put_code(part.value);
    }
  }
}

/// The tags and texts of a normal form, written in the loose way.
std::string rewritten(std::string_view normal_form) {
  FormWriter out;
  for (size_t pos = 0; pos < normal_form.size();) {
    size_t tag = pos;
    while (tag < normal_form.size() && !normal_form.substr(tag).starts_with("{{") &&
           !normal_form.substr(tag).starts_with("{%")) {
      ++tag;
    }
    out.put_text(normal_form.substr(pos, tag - pos));
    if (tag == normal_form.size()) break;
    const bool is_output = normal_form[tag + 1] == '{';
    size_t end = tag + 2;
    while (end < normal_form.size() &&
           !normal_form.substr(end).starts_with(is_output ? "}}" : "%}")) {
      const bool opens_text = normal_form[end] == '\'' || normal_form[end] == '"';
      end += opens_text ? quoted_size(normal_form.substr(end)) : 1;
    }
    const std::vector<Part> parts = parts_of(normal_form.substr(tag + 2, end - tag - 2));
    if (is_output) {
      write_output(parts, out);
    } else {
      out.statement(parts);
    }
    pos = end + 2;
  }
  return out.take();
}

bool ends_quoted_text(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '\'') {
      return true;
    }
  }
  return false;
}

/// What stands between `begin` and `end` where both are in one quoted text; the first such place.
std::optional<std::string> find_between(std::string_view form, std::string_view begin,
                                        std::string_view end) {
  for (size_t at = 0; (at = form.find(begin, at)) != std::string_view::npos;) {
    at += begin.size();
    const std::string_view near = form.substr(at, kMaxTextBytes + end.size());
    const size_t to = near.find(end);
    if (to == std::string_view::npos) continue;
    const std::string_view text = near.substr(0, to);
    if (!ends_quoted_text(text)) return std::string(text);
  }
  return std::nullopt;
}

void replace_all(std::string& form, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  for (size_t at = 0; (at = form.find(from, done)) != std::string::npos; done = at + from.size()) {
    out.append(form, done, at - done).append(to);
  }
  form = out.append(form, done);
}

/// Puts `mark` in place of the text between `begin` and `end`, and of quoted texts that are it.
std::optional<std::string> take_out(std::string& form, std::string_view begin, std::string_view end,
                                    std::string_view mark) {
  const auto found = find_between(form, begin, end);
  if (!found) return std::nullopt;
  const std::string head(begin), tail(end), new_text(mark);
  replace_all(form, head + *found + tail, head + new_text + tail);
  if (!found->empty()) replace_all(form, "'" + *found + "'", "'" + new_text + "'");
  return unquoted("'" + *found + "'");
}

}  // namespace

std::optional<LooseForm> chat_template_loose_form(std::string_view jinja) {
  const std::optional<std::string> normal_form = chat_template_normal_form(jinja);
  if (!normal_form) return std::nullopt;
  LooseForm form{.text = rewritten(*normal_form), .default_system = {}, .default_date = {}};
  form.default_system = take_out(form.text, "<|im_start|>system\n", "<|im_end|>", kSystemMark);
  if (!form.default_system) {
    form.default_system =
        take_out(form.text, "<|im_system|>system<|im_middle|>", "<|im_end|>", kSystemMark);
  }
  form.default_date = take_out(form.text, "date_string='", "'", kDateMark);
  return form;
}

}  // namespace fathom::tokenizer
