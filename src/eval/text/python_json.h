#pragma once
// Values as Python prints them, since hashes and result files of lm-eval are made of that.
#include <string>

#include "io/json.h"

namespace fathom::eval {

/// json.dumps(value, ensure_ascii=False), with `indent` (0: None) as its `indent`. Numbers that are
/// not finite are NaN, Infinity and -Infinity, as there.
std::string python_json(const io::JsonValue& value, int indent = 0);

/// str(value): a text itself, True, None, a list as ['a', 1].
std::string python_str(const io::JsonValue& value);

}  // namespace fathom::eval
