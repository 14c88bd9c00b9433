#include "grammar/schema/numbers/integer_text.h"

namespace fathom::grammar {

std::string next_integer(std::string integer) {
  for (size_t i = integer.size(); i-- > 0;) {
    if (integer[i] != '9') {
      ++integer[i];
      return integer;
    }
    integer[i] = '0';
  }
  return "1" + integer;
}

std::string previous_integer(std::string integer) {
  for (size_t i = integer.size(); i-- > 0;) {
    if (integer[i] != '0') {
      --integer[i];
      break;
    }
    integer[i] = '9';
  }
  return integer.size() > 1 && integer[0] == '0' ? integer.substr(1) : integer;
}

}  // namespace fathom::grammar
