#pragma once
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::posttrain {

/// First-fit decreasing: samples of falling length go into the first row that has room for them, so
/// that few places stay empty (at most 11/9 of the least number of rows, Johnson 1973). No sample
/// is split.
///   lengths   [samples]  falling, each 1 .. capacity
/// Returns the row of each sample; rows are numbered from 0 without gaps. O(n log n). The number of
/// rows depends on the lengths alone.
std::vector<i64> pack_first_fit(std::span<const i64> lengths, i64 capacity);

}  // namespace fathom::posttrain
