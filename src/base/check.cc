#include "base/check.h"

#include <cstring>

namespace fathom::check_detail {

void fail(const char* file, int line, const char* condition, std::string message) {
  const char* slash = std::strrchr(file, '/');
  const char* name = slash != nullptr ? slash + 1 : file;
  std::string text = message.empty() ? std::string(condition) : std::move(message);
  text += " [check failed: ";
  text += condition;
  text += " at ";
  text += name;
  text += ':';
  text += std::to_string(line);
  text += ']';
  throw InternalError(text);
}

}  // namespace fathom::check_detail
