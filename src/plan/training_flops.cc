#include "plan/training_flops.h"

#include "config/model/parameter_list.h"

namespace fathom::plan {
namespace {

/// 2 forward, 2 for the gradient of the input, 2 for the gradient of the weight.
constexpr double kFlopsPerWeight = 6.0;

/// q.k and p.v of one layer and token, forward and backward (each product has two gradients).
double attention_flops(const ModelConfig& config, i64 seq_len) {
  const double keys = (static_cast<double>(seq_len) + 1.0) / 2.0;
  const auto widths = static_cast<double>(config.qk_head_dim() + config.value_head_dim());
  return kFlopsPerWeight * static_cast<double>(config.num_attention_heads) * widths * keys;
}

bool is_matrix(const Parameter& parameter) {
  return parameter.kind == ParameterKind::kMatrix || parameter.kind == ParameterKind::kMatrixBf16;
}

}  // namespace

TrainingFlops training_flops(const ModelConfig& config, i64 seq_len) {
  const auto head = static_cast<double>(config.vocab_size * config.hidden_size);
  const auto mtp_modules = static_cast<double>(config.num_nextn_predict_layers);
  double main_weights = head, mtp_weights = head * mtp_modules;
  for_each_parameter(config, [&](const Parameter& parameter) {
    const bool table = parameter.shared_copy || parameter.part == ModelPart::kEmbedding ||
                       parameter.part == ModelPart::kHead;
    if (table || !is_matrix(parameter) || parameter.expert >= config.num_experts_per_tok) return;
    double& weights = parameter.part == ModelPart::kMtp ? mtp_weights : main_weights;
    weights += static_cast<double>(parameter.elements());
  });
  const double attention = attention_flops(config, seq_len);
  return {.matrices = kFlopsPerWeight * main_weights,
          .attention = attention * static_cast<double>(config.num_hidden_layers),
          .mtp = kFlopsPerWeight * mtp_weights + attention * mtp_modules};
}

}  // namespace fathom::plan
