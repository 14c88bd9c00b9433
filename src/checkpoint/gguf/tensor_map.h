#pragma once
// Where a GGUF file holds each of a model's parameters, and in what order of rows.
#include <string>

#include "config/model/model_config.h"
#include "config/model/parameter_list.h"

namespace fathom::checkpoint {

/// How a parameter's rows come from the tensors of the file.
enum class GgufForm {
  kAsStored,     // the tensor, row by row
  kRotaryPairs,  // llama's q and k, biases too: rows of a head are stored as pairs that RoPE turns,
                 // where Hugging Face has the first halves of all pairs first: row h d + j d/2 + i
                 // is stored at h d + 2 i + j
  kExpert,       // one expert's rows of a tensor [experts, rows, cols]
  kSplitKvB,     // deepseek2's kv_b_proj as attn_k_b [heads, latent, nope], transposed, and
                 // attn_v_b [heads, v, latent]
};

struct GgufSource {
  std::string tensor;  // "blk.3.attn_q.weight"; of kSplitKvB the one of the keys
  GgufForm form = GgufForm::kAsStored;
  std::string value_tensor = {};  // of kSplitKvB
  i64 head_dim = 0;               // of kRotaryPairs
};

/// For every parameter that for_each_parameter() visits. `split_kv_b`: the file holds attn_k_b and
/// attn_v_b in place of attn_kv_b.
GgufSource gguf_source(const ModelConfig& config, const Parameter& parameter, bool split_kv_b);

}  // namespace fathom::checkpoint
