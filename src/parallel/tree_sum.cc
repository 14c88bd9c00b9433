#include "parallel/tree_sum.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"

namespace fathom::parallel {

void add_to(std::span<const float> x, std::span<float> sum) {
  FATHOM_CHECK(x.size() == sum.size(), x.size(), " and ", sum.size(), " numbers");
  parallel_for(std::ssize(x), i64{1} << 14, [x = x.data(), sum = sum.data()](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) sum[i] += x[i];
  });
}

i64 additions_behind(i64 leaf, i64 count) {
  i64 additions = 0;
  for (i64 begin = 0, end = count; end - begin > 1;) {
    const i64 middle = begin + (end - begin) / 2;
    if (leaf < middle) {
      end = middle;
      additions = 0;
    } else {  // a branch on the right closes the one that it is in
      begin = middle;
      ++additions;
    }
  }
  return additions;
}

void TreeSum::begin(i64 count) {
  count_ = count;
  next_ = depth_ = 0;
}

void TreeSum::add(std::span<float> gradients) {
  FATHOM_CHECK(next_ < count_, "more than ", count_, " micro-batches");
  for (i64 left = additions_behind(next_, count_); left > 0; --left) {
    add_to(stack_[static_cast<size_t>(--depth_)], gradients);  // a + b has the bits of b + a
  }
  if (++next_ == count_) return;
  if (depth_ == std::ssize(stack_)) stack_.emplace_back();
  stack_[static_cast<size_t>(depth_++)].assign(gradients.begin(), gradients.end());
  std::ranges::fill(gradients, 0.0f);
}

}  // namespace fathom::parallel
