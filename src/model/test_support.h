#pragma once
// For this module's tests only: golden cases, and short ways to run a model.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "config/model/test_configs.h"
#include "io/safetensors.h"
#include "model/attention/kv_cache.h"
#include "model/model.h"
#include "testing/expect.h"
#include "testing/tensor.h"

namespace fathom::model {

using testing::golden_cases;
using testing::golden_directory;
using testing::ragged_v3;
using testing::Tensor;

/// One case: the model, and what transformers computed from it.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : model_(Model::load(ctx_, golden_directory(name).string())),
        file_(value_or_throw(
            io::SafetensorsFile::open(golden_directory(name) / "golden.safetensors"))) {}

  const Model& model() const { return *model_; }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  /// f32, or BF16 widened.
  Tensor<float> floats(const std::string& name) const {
    const io::StoredTensor& stored = find(name);
    Tensor<float> result(stored.shape);
    if (stored.dtype == DType::kBF16) {
      std::vector<u16> scratch;
      const auto bits = stored.elements_as<u16>(scratch);
      for (i64 i = 0; i < result.size(); ++i) {
        result[i] = static_cast<float>(Bf16::from_bits(bits[static_cast<size_t>(i)]));
      }
    } else {
      std::vector<float> scratch;
      std::ranges::copy(stored.elements_as<float>(scratch), result.data());
    }
    return result;
  }

  std::vector<i32> ids(const std::string& name) const {
    std::vector<i64> scratch;
    const auto stored = find(name).elements_as<i64>(scratch);
    std::vector<i32> result;
    for (const i64 id : stored) result.push_back(static_cast<i32>(id));
    return result;
  }

 private:
  const io::StoredTensor& find(const std::string& name) const {
    const io::StoredTensor* stored = file_.find(name);
    FATHOM_CHECK(stored != nullptr, "no golden tensor ", name);
    return *stored;
  }

  Ctx ctx_ = backend::make_context();
  std::unique_ptr<Model> model_;
  io::SafetensorsFile file_;
};

/// Nothing rounded: what golden F32 logits are compared with.
inline constexpr RunOptions kExact{.activations = ops::Activations::kF32};

inline Tensor<float> new_logits(const Model& model, i64 rows) {
  return Tensor<float>({rows, model.config().vocab_size});
}

/// Appends ids to a cache in chunks of `chunk` (0: all at once); logits of every token.
inline Tensor<float> run(Ctx& ctx, const Model& model, std::span<const i32> ids, KvCache& cache,
                         const RunOptions& options = kExact, i64 chunk = 0) {
  const i64 tokens = std::ssize(ids), width = chunk == 0 ? tokens : chunk;
  Tensor<float> logits = new_logits(model, tokens);
  for (i64 begin = 0; begin < tokens; begin += width) {
    const i64 count = std::min(width, tokens - begin);
    const SequenceStep step{
        .token_ids = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
        .cache = &cache,
        .logits = LogitRows::kAll};
    model.forward(ctx, {&step, 1}, options, logits.v<2>().slice(0, begin, count));
  }
  return logits;
}

/// The same with a fresh cache.
inline Tensor<float> run(Ctx& ctx, const Model& model, std::span<const i32> ids,
                         const RunOptions& options = kExact, i64 chunk = 0,
                         ops::CacheDType dtype = ops::CacheDType::kF32) {
  KvCache cache(model.config(), dtype, std::ssize(ids));
  return run(ctx, model, ids, cache, options, chunk);
}

inline i32 argmax(std::span<const float> logits) {
  return static_cast<i32>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

inline std::vector<i32> greedy(Ctx& ctx, const Model& model, std::span<const i32> prompt, i64 steps,
                               const RunOptions& options, ops::CacheDType dtype) {
  KvCache cache(model.config(), dtype, std::ssize(prompt) + steps);
  Tensor<float> logits = new_logits(model, 1);
  std::vector<i32> result, next(prompt.begin(), prompt.end());
  for (i64 i = 0; i < steps; ++i) {
    const SequenceStep step{.token_ids = next, .cache = &cache};
    model.forward(ctx, {&step, 1}, options, logits.v<2>());
    next = {argmax({logits.data(), static_cast<size_t>(logits.size())})};
    result.push_back(next.front());
  }
  return result;
}

/// max |got - want| / max |want|.
inline double relative_error(const Tensor<float>& got, const Tensor<float>& want) {
  FATHOM_CHECK(got.dims() == want.dims(), "compared tensors of different shapes");
  double error = 0.0, scale = 0.0;
  for (i64 i = 0; i < want.size(); ++i) {
    const double difference = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
    error = difference <= error ? error : difference;  // a NaN stays
    scale = std::max(scale, std::abs(static_cast<double>(want[i])));
  }
  return error / scale;
}

}  // namespace fathom::model
