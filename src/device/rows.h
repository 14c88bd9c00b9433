#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

struct GatherRows {
  static constexpr const char* kName = "gather_rows";
  View<const float, 2> x;
  View<const i32, 1> ids;
  View<float, 2> out;
};

struct CopyIds {
  static constexpr const char* kName = "copy_ids";
  View<const i32, 2> x;
  View<i32, 2> out;
};

}  // namespace fathom::device
