#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "ops/optimizer/optimizer.h"

namespace fathom::train {
namespace {

i64 moment_size(const OptimizerConfig& config) {
  return static_cast<i64>(config.bf16_moments ? sizeof(Bf16) : sizeof(float));
}

template <typename T>
View<T, 1> part(Buffer& buffer, i64 begin, i64 count) {
  return {reinterpret_cast<T*>(buffer.data()) + begin, {count}};
}

}  // namespace

i64 Optimizer::moment_bytes(i64 elements, const OptimizerConfig& config) {
  return 2 * elements * moment_size(config);
}

i64 Optimizer::average_bytes(i64 elements, const OptimizerConfig& config) {
  return config.ema_decay > 0.0 ? elements * static_cast<i64>(sizeof(float)) : 0;
}

Optimizer::Optimizer(const parallel::Shards& shards, const OptimizerConfig& config)
    : config_(config),
      array_elements_(shards.layout().size()),
      elements_(shards.own_elements()),
      exp_avg_(Device::kCpu, moment_bytes(elements_, config) / 2, "AdamW's first moment"),
      exp_avg_sq_(Device::kCpu, moment_bytes(elements_, config) / 2, "AdamW's second moment"),
      average_(Device::kCpu, average_bytes(elements_, config), "the average of the weights") {
  for (const parallel::ShardBlock& block : shards.own_blocks()) {
    const Segment segment{.begin = block.begin,
                          .end = block.begin + block.count,
                          .stored = block.stored,
                          .has_gradient = block.slot->has_gradient,
                          .weight_decay = block.slot->weight_decay};
    const bool joins = !segments_.empty() && segments_.back().end == segment.begin &&
                       segments_.back().has_gradient == segment.has_gradient &&
                       segments_.back().weight_decay == segment.weight_decay;
    if (joins) {
      segments_.back().end = segment.end;
    } else {
      segments_.push_back(segment);
    }
  }
}

void Optimizer::start_average(std::span<const float> weights) {
  if (!has_average()) return;
  for (const Segment& s : segments_) {
    std::copy_n(weights.begin() + s.begin, s.end - s.begin, average().begin() + s.stored);
  }
}

std::span<float> Optimizer::average() {
  if (!has_average()) return {};
  return {reinterpret_cast<float*>(average_.data()), static_cast<size_t>(elements_)};
}

float Optimizer::clip_scale(double norm) const {
  if (config_.clip_norm == 0.0) return 1.0f;
  return static_cast<float>(std::min(1.0, config_.clip_norm / (norm + 1e-6)));
}

void Optimizer::step(Ctx& ctx, i64 update, double lr, float gradient_scale,
                     std::span<float> weights, std::span<const float> gradients) {
  FATHOM_CHECK(std::ssize(weights) == array_elements_ && std::ssize(gradients) == array_elements_,
               weights.size(), " weights and ", gradients.size(), " gradients for ",
               array_elements_);
  ops::AdamWOptions options = {.lr = lr,
                               .beta1 = config_.beta1,
                               .beta2 = config_.beta2,
                               .eps = config_.eps,
                               .step = update,
                               .grad_scale = gradient_scale};
  for (const Segment& segment : segments_) {
    if (!segment.has_gradient) continue;
    options.weight_decay = segment.weight_decay ? config_.weight_decay : 0.0;
    const i64 count = segment.end - segment.begin, stored = segment.stored;
    const View<float, 1> p(weights.data() + segment.begin, {count});
    const View<const float, 1> g(gradients.data() + segment.begin, {count});
    if (config_.bf16_moments) {
      ops::adamw_step(ctx, p, g, part<Bf16>(exp_avg_, stored, count),
                      part<Bf16>(exp_avg_sq_, stored, count), options);
    } else {
      ops::adamw_step(ctx, p, g, part<float>(exp_avg_, stored, count),
                      part<float>(exp_avg_sq_, stored, count), options);
    }
  }
}

void Optimizer::update_average(Ctx& ctx, std::span<const float> weights) {
  if (!has_average()) return;
  for (const Segment& s : segments_) {
    const i64 count = s.end - s.begin;
    ops::ema_update(ctx, part<float>(average_, s.stored, count),
                    {weights.data() + s.begin, {count}}, static_cast<float>(config_.ema_decay));
  }
}

std::vector<StateArray> Optimizer::state() {
  const DType dtype = config_.bf16_moments ? DType::kBF16 : DType::kF32;
  std::vector<StateArray> arrays = {
      {"exp_avg", dtype, exp_avg_.data(), StateArray::kOwnBlocks},
      {"exp_avg_sq", dtype, exp_avg_sq_.data(), StateArray::kOwnBlocks}};
  if (has_average())
    arrays.push_back({"ema", DType::kF32, average_.data(), StateArray::kOwnBlocks});
  return arrays;
}

}  // namespace fathom::train
