#pragma once
// Integers of any size as their decimal digits, without leading zeros.
#include <string>
#include <string_view>

namespace fathom::grammar {

inline bool is_less(std::string_view a, std::string_view b) {
  return a.size() != b.size() ? a.size() < b.size() : a < b;
}

std::string next_integer(std::string integer);
/// `integer` is not "0".
std::string previous_integer(std::string integer);

}  // namespace fathom::grammar
