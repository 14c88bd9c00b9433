#pragma once
#include <string_view>

namespace fathom::engine {

/// With this begins what a request hears when its engine can answer nothing any more, by no fault
/// of the request: another server may.
inline constexpr std::string_view kServingEnded = "serving has ended";

}  // namespace fathom::engine
