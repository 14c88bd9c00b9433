#include "io/json_sax.h"

namespace fathom::io::sax {

std::string place(std::string_view text, size_t offset, std::string_view where) {
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
  return fmt::format("{}:{}:{}", where, line, offset - line_begin + 1);
}

std::string excerpt(std::string_view text, size_t max_bytes) {
  std::string result(text.substr(0, max_bytes));
  for (char& c : result) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) c = '?';
  }
  if (text.size() > max_bytes) result += "...";
  return result;
}

std::string plain_message(std::string_view nlohmann_message) {
  const size_t bracket = nlohmann_message.find("] ");
  if (bracket != std::string_view::npos) nlohmann_message.remove_prefix(bracket + 2);
  if (nlohmann_message.starts_with("parse error")) {
    const size_t colon = nlohmann_message.find(": ");
    if (colon != std::string_view::npos) nlohmann_message.remove_prefix(colon + 2);
  }
  return excerpt(nlohmann_message, 200);
}

}  // namespace fathom::io::sax
