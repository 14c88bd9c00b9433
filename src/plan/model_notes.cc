#include "plan/model_notes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "config/model/rope_frequencies.h"

namespace fathom::plan {
namespace {

using Notes = std::vector<std::string>;

void note_attention(const ModelConfig& c, Notes& notes) {
  if (!c.is_mla()) {
    if (c.num_key_value_heads < c.num_attention_heads) {
      notes.push_back(
          fmt::format("grouped-query attention: {} query heads share each of {} "
                      "key-value heads",
                      c.num_attention_heads / c.num_key_value_heads, c.num_key_value_heads));
    }
    if (c.has_qkv_bias()) {
      notes.push_back(fmt::format("{} have biases", c.has_o_bias()
                                                        ? "q_proj, k_proj, v_proj and o_proj"
                                                        : "q_proj, k_proj and v_proj"));
    }
    if (c.has_qk_norm()) notes.emplace_back("query and key heads are normalised before RoPE");
    return;
  }
  if (c.q_lora_rank == 0) {
    notes.emplace_back("queries are not compressed (q_lora_rank null): one q_proj, no query norm");
  }
  if (c.rms_norm_eps != kLatentNormEps) {
    notes.push_back(
        fmt::format("rms_norm_eps is {}, but the latent norms use {} as the published "
                    "code does",
                    c.rms_norm_eps, kLatentNormEps));
  }
  if (!c.rope_interleave) notes.emplace_back("rotated channels are stored as halves, not as pairs");
}

void note_rope(const ModelConfig& c, Notes& notes) {
  if (!c.rope_scaling) return;
  const RopeScaling& scaling = *c.rope_scaling;
  if (scaling.type != RopeType::kYarn) {
    notes.push_back(fmt::format("RoPE scaling {} by {}", to_string(scaling.type), scaling.factor));
    return;
  }
  notes.push_back(fmt::format("YaRN by {} from {} tokens; softmax scale {:.7f}", scaling.factor,
                              scaling.original_max_position_embeddings, c.softmax_scale()));
  const YarnRamp ramp = yarn_ramp(c);
  if (ramp.high - ramp.low <= 1.0) {
    notes.push_back(fmt::format("YaRN's ramp is a step at pair {} (beta_fast {}, beta_slow {})",
                                ramp.low, scaling.beta_fast, scaling.beta_slow));
  }
  const double reach =
      scaling.factor * static_cast<double>(scaling.original_max_position_embeddings);
  if (reach != static_cast<double>(c.max_position_embeddings)) {
    notes.push_back(fmt::format("max_position_embeddings {} is not YaRN's factor {} x {}",
                                c.max_position_embeddings, scaling.factor,
                                scaling.original_max_position_embeddings));
  }
}

void note_experts(const ModelConfig& c, Notes& notes) {
  if (!c.is_mla()) return;
  if (!c.has_experts()) {
    notes.emplace_back("latent attention without experts: every layer is dense");
    return;
  }
  if (c.scoring_func == ScoringFunc::kSoftmax) {
    notes.push_back(fmt::format("softmax routing ({}), weights not normalised, times {}",
                                to_string(c.topk_method), c.routed_scaling_factor));
  }
  if (c.topk_method != TopkMethod::kGreedy && c.n_group == 1) {
    notes.emplace_back("one expert group: the group step does nothing");
  }
  if (c.n_shared_experts == 0) notes.emplace_back("no shared experts");
  if (c.moe_layer_freq != 1) {
    notes.push_back(fmt::format("experts in every {}th layer only", c.moe_layer_freq));
  }
}

/// "INT4 weights with one scale for 32 columns of a row in re:.*experts.*", or of all Linear
/// layers.
std::string group_note(const QuantizationGroup& group) {
  constexpr size_t kMaxListed = 4;
  std::string weights = group.is_fp8
                            ? std::string("FP8 weights with one scale a 128x128 block")
                            : fmt::format("INT{} weights with one scale for {} columns of a row",
                                          group.num_bits, group.group_size);
  if (std::ranges::find(group.targets, "Linear") != group.targets.end()) return weights;
  if (group.targets.size() > kMaxListed) {
    return fmt::format("{} in {} modules", weights, group.targets.size());
  }
  return fmt::format("{} in {}", weights, fmt::join(group.targets, ", "));
}

void note_storage(const ModelConfig& config, Notes& notes) {
  if (!config.quantization_config) return;
  const QuantizationConfig& quantization = *config.quantization_config;
  if (!quantization.is_compressed_tensors()) {
    notes.push_back(group_note({.is_fp8 = true}) +
                    (quantization.scale_fmt == "ue8m0" ? "; scales are powers of two" : ""));
  }
  for (const QuantizationGroup& group : quantization.groups) notes.push_back(group_note(group));
}

}  // namespace

std::vector<std::string> model_notes(const ModelConfig& config) {
  Notes notes;
  note_attention(config, notes);
  note_rope(config, notes);
  note_experts(config, notes);
  if (config.tie_word_embeddings) notes.emplace_back("the head is the embedding's matrix (tied)");
  if (config.num_nextn_predict_layers > 0) {
    notes.push_back(
        config.num_nextn_predict_layers == 1
            ? "1 MTP module for speculative decoding; the model works without it"
            : fmt::format(
                  "{} MTP modules, which draft as many tokens; the model works without them",
                  config.num_nextn_predict_layers));
  }
  note_storage(config, notes);
  return notes;
}

}  // namespace fathom::plan
