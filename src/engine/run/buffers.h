#pragma once
#include <vector>

#include "base/types.h"

namespace fathom::engine {

/// Room for `floats` numbers; buffers of passes only grow, so that a steady state allocates
/// nothing.
inline void grow(std::vector<float>& buffer, i64 floats) {
  if (std::ssize(buffer) < floats) buffer.resize(static_cast<size_t>(floats));
}

}  // namespace fathom::engine
