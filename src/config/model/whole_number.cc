#include "config/model/whole_number.h"

#include <cmath>

#include "io/json.h"

namespace fathom {

std::optional<i64> whole_number(const io::JsonValue& value) {
  if (value.is_integer()) return value.as_integer();
  if (!value.is_number()) return std::nullopt;
  constexpr double kExactBelow = 9007199254740992.0;  // 2^53
  const double number = value.as_number();
  if (!(std::abs(number) < kExactBelow) || std::trunc(number) != number) return std::nullopt;
  return static_cast<i64>(number);
}

}  // namespace fathom
