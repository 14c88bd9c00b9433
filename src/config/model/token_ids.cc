#include "config/model/token_ids.h"

#include <algorithm>
#include <limits>

#include "config/model/whole_number.h"
#include "io/json.h"

namespace fathom {

std::vector<i64> read_token_ids(const io::JsonValue& json, std::string_view key,
                                Problems& problems) {
  constexpr size_t kMaxIds = 64;
  const io::JsonValue* value = json.find(key);
  if (value == nullptr || value->is_null()) return {};
  const auto is_id = [](const io::JsonValue& id) {
    const auto number = whole_number(id);
    return number && *number >= 0 && *number <= std::numeric_limits<i32>::max();
  };
  if (is_id(*value)) return {*whole_number(*value)};
  if (!value->is_array() || value->as_array().size() > kMaxIds ||
      !std::all_of(value->as_array().begin(), value->as_array().end(), is_id)) {
    problems.invalid(key, "expected a token id or a list of them, found " + io::describe(*value));
    return {};
  }
  std::vector<i64> ids;
  for (const io::JsonValue& id : value->as_array()) ids.push_back(*whole_number(id));
  return ids;
}

}  // namespace fathom
