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

TreeSum::TreeSum(std::vector<Part> parts) : parts_(std::move(parts)) {}

void TreeSum::begin(i64 count) {
  count_ = count;
  next_ = depth_ = 0;
}

void TreeSum::add(std::span<float> gradients) {
  FATHOM_CHECK(next_ < count_, "more than ", count_, " micro-batches");
  const auto for_parts = [&](auto&& fn) {
    size_t at = 0;
    for (const Part& part : parts_) {
      const auto count = static_cast<size_t>(part.count);
      fn(gradients.subspan(static_cast<size_t>(part.begin), count), at);
      at += count;
    }
  };
  for (i64 left = additions_behind(next_, count_); left > 0; --left) {
    const std::vector<float>& top = stack_[static_cast<size_t>(--depth_)];
    for_parts([&](std::span<float> part, size_t at) {  // a + b has the bits of b + a
      add_to(std::span(top).subspan(at, part.size()), part);
    });
  }
  if (++next_ == count_) return;
  if (depth_ == std::ssize(stack_)) stack_.emplace_back();
  std::vector<float>& top = stack_[static_cast<size_t>(depth_++)];
  top.clear();
  for_parts([&](std::span<float> part, size_t) {
    top.insert(top.end(), part.begin(), part.end());
    std::ranges::fill(part, 0.0f);
  });
}

GradientTrees::GradientTrees(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                             std::span<const model::StageLayers> stages) {
  const model::StageLayers all = model::whole_model(config);
  if (stages.empty()) stages = {&all, 1};
  for (const model::StageLayers& stage : stages) {
    std::vector<TreeSum::Part> halves[2];
    for (const checkpoint::ParameterSlot& slot : layout.slots()) {
      const Parameter& parameter = slot.parameter;
      if (!slot.has_gradient || !stage.holds(config, parameter)) continue;
      const bool main_layer = parameter.layer >= 0 && parameter.layer < config.num_hidden_layers;
      const bool waits = main_layer && parameter.kind != ParameterKind::kNorm;
      halves[waits ? kWithWeights : kWithInput].push_back({slot.offset, parameter.elements()});
    }
    for (auto& half : halves) trees_.emplace_back(std::move(half));
  }
}

void GradientTrees::begin(i64 micro_batches_per_path) {
  for (TreeSum& tree : trees_) tree.begin(micro_batches_per_path);
}

void GradientTrees::add(i64 chunk, Half half, std::span<float> gradients) {
  trees_[static_cast<size_t>(2 * chunk + half)].add(gradients);
}

bool GradientTrees::complete() const { return std::ranges::all_of(trees_, &TreeSum::complete); }

}  // namespace fathom::parallel
