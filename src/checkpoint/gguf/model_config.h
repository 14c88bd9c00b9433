#pragma once
// What a GGUF file's metadata says of the model, as the config.json that Hugging Face would have.
#include <filesystem>

#include "base/error.h"
#include "config/model/model_config.h"
#include "io/gguf/file.h"

namespace fathom::checkpoint {

/// Architectures `llama`, `qwen2`, `qwen3` (LlamaForCausalLM and so on) and `deepseek2`
/// (DeepseekV2ForCausalLM, or DeepseekV3ForCausalLM where the router has a bias). The Error lists
/// all keys that are missing or of a wrong type or value; kUnsupported for an architecture or RoPE
/// scaling that is not supported, by name.
///
/// What files leave unsaid is filled in as the files' own converter means it: no output.weight is a
/// tied head; a bias of attn_q is `attention_bias`; deepseek2 without expert_group_count has one
/// group, but for the two models that were published with groups (V2's 160 experts: 3 of 8; V3's
/// 256: 4 of 8); `mscale` is `mscale_all_dim`; `rope_freqs.weight` holds the factors of a `llama3`
/// scaling.
[[nodiscard]] Result<ModelConfig> gguf_model_config(const io::gguf::File& file);

/// The config of a model directory, a config.json or a GGUF file.
[[nodiscard]] Result<ModelConfig> load_any_model_config(const std::filesystem::path& path);

}  // namespace fathom::checkpoint
