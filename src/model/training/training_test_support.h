#pragma once
// For the training pass's tests only: small models, batches of random documents, comparisons.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "config/model/test_configs.h"
#include "model/training/training_model.h"
#include "testing/tensor.h"

namespace fathom::model {

using testing::small_v3;

inline TrainingRecipe f32_recipe() {
  TrainingRecipe recipe;
  recipe.precision.mode = TrainPrecision::kF32;
  return recipe;
}

/// A recipe with every recomputation on, or off.
inline TrainingRecipe with_recompute(TrainingRecipe recipe, bool norms, bool up_projections,
                                     bool swiglu) {
  recipe.recompute = {.norms = norms, .mla_up_projections = up_projections, .swiglu = swiglu};
  return recipe;
}

/// Random tokens of random documents, with everything a TrainingBatch points to.
class BatchData {
 public:
  BatchData(const ModelConfig& config, i64 sequences, i64 seq_len, u64 seed = 1)
      : seq_len_(seq_len), heads_(1 + config.num_nextn_predict_layers) {
    const i64 width = seq_len + heads_;
    const Philox rng(seed, 7);
    for (i64 i = 0; i < sequences * width; ++i) {
      const double draw = rng.uniform(static_cast<u64>(i));
      tokens_.push_back(static_cast<i32>(draw * static_cast<double>(config.vocab_size)));
      const bool first = i % width == 0, next = rng.uniform(static_cast<u64>(i + 100000)) < 0.1;
      documents_.push_back(first ? 0 : documents_.back() + (next ? 1 : 0));
    }
    for (i64 k = 0; k < heads_; ++k) {
      for (i64 s = 0; s < sequences; ++s) {
        for (i64 i = 0; i < seq_len; ++i) {
          targets_.push_back(tokens_[static_cast<size_t>(s * width + i + k + 1)]);
        }
      }
    }
    for (i64 s = 0; s < sequences; ++s) samples_.push_back(s);
  }

  std::vector<i32>& targets() { return targets_; }
  std::vector<i32>& tokens() { return tokens_; }
  std::vector<i32>& documents() { return documents_; }
  i64 sequences() const { return std::ssize(samples_); }
  i64 count_targets(i64 head = 0) const {
    i64 count = 0;
    const i64 each = sequences() * seq_len_;
    for (i64 i = head * each; i < (head + 1) * each; ++i) {
      count += targets_[static_cast<size_t>(i)] >= 0 ? 1 : 0;
    }
    return count;
  }

  TrainingBatch batch() const { return batch(0, sequences()); }
  /// Sequences [begin, begin + count): a micro-batch.
  TrainingBatch batch(i64 begin, i64 count) const {
    const i64 width = seq_len_ + heads_;
    const View<const i32, 2> tokens(tokens_.data(), {sequences(), width});
    const View<const i32, 2> documents(documents_.data(), {sequences(), width});
    const View<const i32, 3> targets(targets_.data(), {heads_, sequences(), seq_len_});
    return {.tokens = tokens.slice(0, begin, count),
            .targets = targets.slice(/*axis=*/1, begin, count),
            .documents = documents.slice(0, begin, count),
            .samples = View<const i64, 1>(samples_.data(), {sequences()}).slice(0, begin, count)};
  }

 private:
  i64 seq_len_, heads_;
  std::vector<i32> tokens_, documents_, targets_;
  std::vector<i64> samples_;
};

/// Random weights large enough that every part matters, and a router bias that changes choices.
inline void randomise(Ctx& ctx, TrainingModel& model, double std = 0.15) {
  model.initialise(ctx, std, /*seed=*/3);
  const Philox rng(5, 11);
  u64 counter = 0;
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    float* values = model.weights().data() + slot.offset;
    for (i64 i = 0; i < slot.parameter.elements(); ++i, ++counter) {
      if (slot.parameter.kind == ParameterKind::kNorm) {
        values[i] = 1.0f + static_cast<float>(0.1 * rng.normal(counter));
      } else if (slot.parameter.kind == ParameterKind::kRouterBias) {
        values[i] = static_cast<float>(0.05 * rng.normal(counter));
      }
    }
  }
}

/// ||got - want|| / ||want||.
inline double norm_error(std::span<const float> got, std::span<const float> want) {
  double difference = 0.0, size = 0.0;
  for (size_t i = 0; i < want.size(); ++i) {
    const double d = static_cast<double>(got[i]) - static_cast<double>(want[i]);
    difference += d * d;
    size += static_cast<double>(want[i]) * static_cast<double>(want[i]);
  }
  return size == 0.0 ? std::sqrt(difference) : std::sqrt(difference / size);
}

inline double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0.0, aa = 0.0, bb = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return aa == 0.0 && bb == 0.0 ? 1.0 : dot / std::sqrt(aa * bb);
}

/// A parameter's part of a flat array.
inline std::span<const float> part_of(std::span<const float> array,
                                      const checkpoint::ParameterSlot& slot) {
  return array.subspan(static_cast<size_t>(slot.offset),
                       static_cast<size_t>(slot.parameter.elements()));
}

/// The whole step on one batch, in micro-batches of `micro` sequences (0: one); gradients.
struct StepResult {
  StepStats stats;
  std::vector<float> gradients;
};
inline StepResult run_step(Ctx& ctx, TrainingModel& model, const BatchData& data,
                           double mtp_weight = 0.3, i64 micro = 0, bool isolate = false) {
  const LossScale scale{.targets = static_cast<double>(data.count_targets()),
                        .sequences = static_cast<double>(data.sequences()),
                        .mtp_weight = mtp_weight};
  StepResult result{StepStats(model.config()), {}};
  const i64 width = micro == 0 ? data.sequences() : micro;
  const auto each = [&](auto&& fn) {
    for (i64 s = 0; s < data.sequences(); s += width) {
      TrainingBatch batch = data.batch(s, std::min(width, data.sequences() - s));
      batch.isolate_documents = isolate;
      fn(batch);
    }
  };
  model.begin_step(ctx);
  if (model.needs_counting_pass() && width < data.sequences()) {
    each([&](const TrainingBatch& batch) { model.count_experts(ctx, batch); });
  }
  each(
      [&](const TrainingBatch& batch) { model.forward_backward(ctx, batch, scale, result.stats); });
  const auto gradients = model.gradients();
  result.gradients.assign(gradients.begin(), gradients.end());
  return result;
}

}  // namespace fathom::model
