#pragma once
// The two tables of functions (functions.h). Internal to task/.
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/types.h"
#include "io/json.h"

namespace fathom::eval {

using Arguments = std::span<const io::JsonValue>;
/// A function of a text, which of a list is applied to each element; its arguments are texts.
using TextFunction = std::function<Result<io::JsonValue>(const std::string&, Arguments)>;
using ValueFunction = std::function<Result<io::JsonValue>(const io::JsonValue&, Arguments)>;

/// By name, with the number of their arguments.
const std::map<std::string, std::pair<i64, TextFunction>, std::less<>>& text_functions();
const std::map<std::string, std::pair<i64, ValueFunction>, std::less<>>& value_functions();

/// The error "expected WHAT, found ...".
Result<io::JsonValue> expected(std::string_view what, const io::JsonValue& found);
io::JsonValue text_value(std::string_view text);
/// `function` of a text, or of each text of a list.
Result<io::JsonValue> map_text(const TextFunction& function, const io::JsonValue& value,
                               Arguments args);
/// The integer that a text spells.
Result<io::JsonValue> integer_of(const std::string& text, Arguments);

}  // namespace fathom::eval
