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
View<T, 1> part(Buffer& buffer, i64 begin, i64 end) {
  return {reinterpret_cast<T*>(buffer.data()) + begin, {end - begin}};
}

}  // namespace

i64 Optimizer::moment_bytes(i64 elements, const OptimizerConfig& config) {
  return 2 * elements * moment_size(config);
}

i64 Optimizer::average_bytes(i64 elements, const OptimizerConfig& config) {
  return config.ema_decay > 0.0 ? elements * static_cast<i64>(sizeof(float)) : 0;
}

Optimizer::Optimizer(const checkpoint::ParameterLayout& layout, const OptimizerConfig& config)
    : config_(config),
      elements_(layout.size()),
      exp_avg_(Device::kCpu, moment_bytes(elements_, config) / 2, "AdamW's first moment"),
      exp_avg_sq_(Device::kCpu, moment_bytes(elements_, config) / 2, "AdamW's second moment"),
      average_(Device::kCpu, average_bytes(elements_, config), "the average of the weights") {
  const std::span<const checkpoint::ParameterSlot> slots = layout.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!slots[i].has_gradient) continue;
    // To the next slot: the padding between is zero in every array and stays so.
    const i64 end = i + 1 < slots.size() ? slots[i + 1].offset : elements_;
    const bool joins = !segments_.empty() && segments_.back().end == slots[i].offset &&
                       segments_.back().weight_decay == slots[i].weight_decay;
    if (joins) {
      segments_.back().end = end;
    } else {
      segments_.push_back({slots[i].offset, end, slots[i].weight_decay});
    }
  }
}

void Optimizer::start_average(std::span<const float> weights) {
  if (has_average()) std::ranges::copy(weights, average().begin());
}

std::span<float> Optimizer::average() {
  if (!has_average()) return {};
  return {reinterpret_cast<float*>(average_.data()), static_cast<size_t>(elements_)};
}

double Optimizer::gradient_norm(Ctx& ctx, std::span<const float> gradients) const {
  return std::sqrt(ops::sum_of_squares(ctx, {gradients.data(), {std::ssize(gradients)}}));
}

float Optimizer::clip_scale(double norm) const {
  if (config_.clip_norm == 0.0) return 1.0f;
  return static_cast<float>(std::min(1.0, config_.clip_norm / (norm + 1e-6)));
}

void Optimizer::step(Ctx& ctx, i64 update, double lr, float gradient_scale,
                     std::span<float> weights, std::span<const float> gradients) {
  FATHOM_CHECK(std::ssize(weights) == elements_ && std::ssize(gradients) == elements_,
               weights.size(), " weights and ", gradients.size(), " gradients for ", elements_);
  ops::AdamWOptions options = {.lr = lr,
                               .beta1 = config_.beta1,
                               .beta2 = config_.beta2,
                               .eps = config_.eps,
                               .step = update,
                               .grad_scale = gradient_scale};
  for (const Segment& segment : segments_) {
    options.weight_decay = segment.weight_decay ? config_.weight_decay : 0.0;
    const i64 begin = segment.begin, end = segment.end;
    const View<float, 1> p(weights.data() + begin, {end - begin});
    const View<const float, 1> g(gradients.data() + begin, {end - begin});
    if (config_.bf16_moments) {
      ops::adamw_step(ctx, p, g, part<Bf16>(exp_avg_, begin, end),
                      part<Bf16>(exp_avg_sq_, begin, end), options);
    } else {
      ops::adamw_step(ctx, p, g, part<float>(exp_avg_, begin, end),
                      part<float>(exp_avg_sq_, begin, end), options);
    }
  }
}

void Optimizer::update_average(Ctx& ctx, std::span<const float> weights) {
  if (!has_average()) return;
  ops::ema_update(ctx, part<float>(average_, 0, elements_), {weights.data(), {elements_}},
                  static_cast<float>(config_.ema_decay));
}

std::vector<StateArray> Optimizer::state() {
  const DType dtype = config_.bf16_moments ? DType::kBF16 : DType::kF32;
  std::vector<StateArray> arrays = {{"exp_avg", dtype, exp_avg_.data()},
                                    {"exp_avg_sq", dtype, exp_avg_sq_.data()}};
  if (has_average()) arrays.push_back({"ema", DType::kF32, average_.data()});
  return arrays;
}

}  // namespace fathom::train
