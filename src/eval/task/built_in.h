#pragma once
// configs/eval/*.toml one behind the other, embedded by the build.
#include <string_view>

namespace fathom::eval {

extern const std::string_view kBuiltInTasks;

}  // namespace fathom::eval
