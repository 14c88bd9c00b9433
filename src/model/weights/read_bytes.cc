#include <initializer_list>

#include "model/weights/weights.h"

namespace fathom::model {
namespace {

i64 bytes_of(std::initializer_list<MatRef> matrices) {
  i64 bytes = 0;
  for (const MatRef& m : matrices) {
    if (!m.empty()) bytes += m.stored_bytes();
  }
  return bytes;
}
i64 bytes_of(const ops::FfnWeights& w) { return bytes_of({w.gate_proj, w.up_proj, w.down_proj}); }
i64 bytes_of(const MlaWeights& w) {
  return bytes_of({w.q_proj, w.q_a_proj, w.q_b_proj, w.kv_a_proj_with_mqa, w.kv_b_proj, w.o_proj});
}
i64 bytes_of(const GqaWeights& w) { return bytes_of({w.q_proj, w.k_proj, w.v_proj, w.o_proj}); }

}  // namespace

ReadBytes read_bytes(const Weights& weights) {
  ReadBytes result;
  const auto part = [&result](StepPart p) -> i64& {
    return result.every_step[static_cast<size_t>(p)];
  };
  i64 routed = 0, experts = 0;
  for (const BlockWeights& block : weights.layers) {
    part(StepPart::kAttention) +=
        std::visit([](const auto& attention) { return bytes_of(attention); }, block.self_attn);
    if (const auto* ffn = std::get_if<ops::FfnWeights>(&block.mlp)) {
      part(StepPart::kDenseFfn) += bytes_of(*ffn);
      continue;
    }
    const auto& moe = std::get<MoeWeights>(block.mlp);
    part(StepPart::kExperts) += bytes_of({moe.gate});
    if (moe.shared_experts) part(StepPart::kExperts) += bytes_of(*moe.shared_experts);
    for (const ops::FfnWeights& expert : moe.experts) routed += bytes_of(expert);
    experts += std::ssize(moe.experts);
  }
  part(StepPart::kHead) = bytes_of({weights.lm_head});
  result.routed_expert = experts > 0 ? routed / experts : 0;
  return result;
}

}  // namespace fathom::model
