#pragma once
#include <string_view>

#include "base/dtype.h"
#include "base/types.h"

namespace fathom::train {

/// A flat array in the parameters' layout that a checkpoint keeps. Non-owning.
struct StateArray {
  std::string_view name;  // of the array: "exp_avg"
  DType dtype = DType::kF32;
  u8* data = nullptr;
};

}  // namespace fathom::train
