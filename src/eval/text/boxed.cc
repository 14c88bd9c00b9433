#include "eval/text/boxed.h"

namespace fathom::eval {

std::optional<std::string> last_boxed(std::string_view text) {
  if (const size_t at = text.rfind("\\boxed "); at != text.npos) {
    const std::string_view rest = text.substr(at + 7);
    return std::string(rest.substr(0, rest.find('$')));
  }
  size_t at = text.rfind("\\boxed");
  if (at == text.npos) at = text.rfind("\\fbox");
  if (at == text.npos) return std::nullopt;
  const size_t open = text.find('{', at);
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{') ++depth;
    if (text[i] == '}' && --depth == 0) return std::string(text.substr(open + 1, i - open - 1));
  }
  return std::nullopt;
}

}  // namespace fathom::eval
