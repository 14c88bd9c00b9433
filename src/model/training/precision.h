#pragma once
// In which precision each number of a training step is: the one place that reads PrecisionConfig.
// Source: DeepSeek-V3 §3.3, figures 6 and 7.
//
//   mode   Linear of MLA, FFN, experts     head, eh_proj   router   attention   saved activations
//   f32    f32                             f32             f32      f32         f32
//   bf16   BF16                            BF16            f32      BF16        BF16
//   fp8    E4M3, 1x128 and 128x128         BF16            f32      BF16        BF16, E4M3, E5M6
//   below
#include <string_view>

#include "config/model/parameter_list.h"
#include "config/run/training_recipe.h"
#include "ops/gemm/gemm.h"

namespace fathom::model::training {

/// What the three products of a Linear round their operands to.
struct LinearRounding {
  ops::GemmRounding weight;      // fprop and dgrad
  ops::GemmRounding activation;  // the input: fprop [tokens, in], wgrad [in, tokens]
  ops::GemmRounding gradient;    // the output's gradient: dgrad [tokens, out], wgrad [out, tokens]
};

class Precision {
 public:
  explicit Precision(const PrecisionConfig& config);

  /// The rounding of a weight matrix by its kind and name. Embeddings that serve as head too count
  /// as the head.
  const LinearRounding& of(const Parameter& parameter) const;
  const LinearRounding& linear() const { return linear_; }
  const LinearRounding& wide() const { return wide_; }
  const ops::GemmAccumulator& accumulator() const { return accumulator_; }
  bool bf16_attention() const { return mode_ != TrainPrecision::kF32; }

  // How activations are saved for the backward pass.
  /// The residual stream, latents before their norm, q and kv, gate and up of dense layers.
  SavedFormat stream() const { return stream_; }
  /// Inputs of Linears.
  SavedFormat linear_input() const { return linear_input_; }
  /// The attention's output: o_proj's input, and read by attention's backward pass.
  SavedFormat attention_output() const { return attention_output_; }
  /// gate and up of experts (SwiGLU's input).
  SavedFormat expert_hidden() const { return expert_hidden_; }

 private:
  TrainPrecision mode_;
  LinearRounding linear_;  // may be FP8
  LinearRounding wide_;    // at most BF16
  LinearRounding router_;  // f32
  ops::GemmAccumulator accumulator_;
  SavedFormat stream_, linear_input_, attention_output_, expert_hidden_;
};

/// "BF16", "FP8 tiles": for tables.
std::string_view to_string(SavedFormat format);

}  // namespace fathom::model::training
