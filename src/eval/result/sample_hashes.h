#pragma once
// Hashes by which two programs see that they asked the same. Internal to result/.
#include <string>

#include "eval/task/items.h"

namespace fathom::eval {

struct SampleHashes {
  std::string document;  // of the JSON with two spaces of indent
  std::string prompt;    // of the first request's context
  std::string target;    // of str(target)
};
SampleHashes hashes_of(const Item& item);

}  // namespace fathom::eval
