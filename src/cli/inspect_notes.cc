#include "cli/inspect_notes.h"

#include <fmt/format.h>

namespace fathom::cli {
namespace {

void attention_notes(const ModelConfig& c, std::vector<std::string>& notes) {
  if (!c.is_mla()) {
    notes.push_back(fmt::format("plain attention, no latent: {} query heads on {} key/value heads",
                                c.num_attention_heads, c.num_key_value_heads));
    return;
  }
  if (c.q_lora_rank == 0) notes.push_back("no query compression (q_lora_rank is null)");
  if (!c.rope_interleave)
    notes.push_back("RoPE pairs are halves, not neighbours (rope_interleave)");
  if (c.rms_norm_eps != kLatentNormEps) {
    notes.push_back(
        fmt::format("rms_norm_eps is {}, but the two latent norms use 1e-6, as the "
                    "published code does",
                    c.rms_norm_eps));
  }
}

void rope_notes(const ModelConfig& c, std::vector<std::string>& notes) {
  if (!c.rope_scaling) {
    if (c.is_mla()) notes.push_back("no YaRN: softmax scale is the plain 1/sqrt(nope + rope)");
    return;
  }
  const RopeScaling& s = *c.rope_scaling;
  notes.push_back(fmt::format("context stretched by {} from {} tokens, factor {}",
                              to_string(s.type), s.original_max_position_embeddings, s.factor));
  if (c.is_mla() && s.type == RopeType::kYarn) {
    notes.push_back(fmt::format("mscale {}, mscale_all_dim {}: softmax scale {:.7f}", s.mscale,
                                s.mscale_all_dim, c.softmax_scale()));
  }
}

void expert_notes(const ModelConfig& c, std::vector<std::string>& notes) {
  if (!c.has_experts()) {
    notes.push_back("every layer is dense");
    return;
  }
  if (c.n_group <= 1) {
    notes.push_back("experts form one group: the group step of routing does nothing");
  }
  if (c.scoring_func == ScoringFunc::kSoftmax) {
    notes.push_back(
        fmt::format("softmax routing ({}), without a balancing bias", to_string(c.topk_method)));
  }
  if (!c.norm_topk_prob)
    notes.push_back("expert weights are not normalised (norm_topk_prob false)");
}

}  // namespace

std::vector<std::string> config_notes(const ModelConfig& c, std::optional<i64> tokenizer_ids) {
  std::vector<std::string> notes;
  attention_notes(c, notes);
  rope_notes(c, notes);
  expert_notes(c, notes);
  if (c.is_mla() && c.num_nextn_predict_layers == 0) notes.push_back("no MTP module");
  if (c.tie_word_embeddings) notes.push_back("the head is the embedding (tied)");
  if (c.quantization_config) {
    notes.push_back(
        fmt::format("FP8 weights with 128x128 scales{}",
                    c.quantization_config->scale_fmt == "ue8m0" ? ", powers of two (ue8m0)" : ""));
  }
  if (tokenizer_ids && *tokenizer_ids < c.vocab_size) {
    notes.push_back(fmt::format("{} rows of the vocabulary have no token and are never sampled",
                                c.vocab_size - *tokenizer_ids));
  }
  if (tokenizer_ids && *tokenizer_ids > c.vocab_size) {
    notes.push_back(fmt::format("the tokenizer has {} ids, the model only {} rows: the wrong one?",
                                *tokenizer_ids, c.vocab_size));
  }
  return notes;
}

}  // namespace fathom::cli
