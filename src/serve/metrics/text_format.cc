#include "serve/metrics/text_format.h"

#include <fmt/format.h>

namespace fathom::serve {

void write_help(std::string_view name, std::string_view kind, std::string_view help,
                std::string& out) {
  out += fmt::format("# HELP fathom_{} {}\n# TYPE fathom_{} {}\n", name, help, name, kind);
}

void write_value(std::string_view name, std::string_view kind, std::string_view help,
                 std::string_view labels, double value, std::string& out) {
  write_help(name, kind, help, out);
  out += fmt::format("fathom_{}{{{}}} {}\n", name, labels, value);
}

std::string label_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace fathom::serve
