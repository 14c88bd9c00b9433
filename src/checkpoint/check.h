#pragma once
// A checkpoint against the parameter list of its config, before anything is bound or converted.
#include <span>
#include <string>
#include <vector>

#include "config/model/parameter_list.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

/// What of a checkpoint the model uses, and everything that is wrong with it.
struct CheckpointCheck {
  ModelConfig config;                 // as_stored(): of the model to run
  std::vector<Parameter> parameters;  // present ones, in the order of the forward pass
  i64 num_mtp = 0;                    // MTP modules whose tensors are there, from the first on
  std::vector<std::string> unused;    // names that the model has no place for
  std::vector<std::string> notes;     // what was decided where config and tensors differ
  std::vector<std::string>
      problems;  // each names file, tensor, found and expected; stops at 10,000
};

/// Lists every tensor that is missing, misshapen or of a dtype that its kind does not allow:
///   matrices           F32 | BF16 | F16, and F8_E4M3 with scales of these where FP8 checkpoints
///   have it
///                      (embedding and head too), or integers as `compressed-tensors` packs them
///   norms, the router's bias  F32 | BF16 | F16
/// The matrices of one feed-forward that run together (gate_proj and up_proj; a layer's experts)
/// must share a dtype. An MTP module may be absent as a whole, and its embed_tokens and
/// shared_head.head (copies of the main model's) may be absent alone. `unused` leaves out
/// rotary_emb.inv_freq, which old checkpoints store and no one reads. Where num_hidden_layers is
/// not that of the tensors, that is a problem, and only layers that both have are looked at.
CheckpointCheck check_checkpoint(const ModelConfig& config, const io::Checkpoint& checkpoint);

/// check_checkpoint, and throws Error{kInvalidInput} with all problems (the first 100, and how many
/// more) if there are any. Warns of `notes`, and once, with their number, about unused tensors.
CheckpointCheck require_checkpoint(const ModelConfig& config, const io::Checkpoint& checkpoint);

/// Throws Error{kInvalidInput} if an MTP module that `check.config` announces is not stored: it may
/// be absent where a model is run, but not where it is trained.
void require_mtp(const CheckpointCheck& check, const io::Checkpoint& checkpoint);

/// Where an expected shape comes from: "kv_b_proj.weight" -> "num_attention_heads 128 x
/// (qk_nope_head_dim 128 + v_head_dim 128), kv_lora_rank 512"; "" for names without a rule.
std::string shape_reason(const ModelConfig& config, std::string_view tensor_name);

}  // namespace fathom::checkpoint
