#include "plan/layer/linear_shapes.h"

#include <algorithm>

namespace fathom::plan {

std::vector<LinearShape> attention_linears(const ModelConfig& config, i64 tensor_ranks) {
  const i64 heads = config.num_attention_heads / tensor_ranks;
  const i64 d = config.hidden_size;
  std::vector<LinearShape> linears;
  if (config.is_mla()) {
    const i64 q_out = heads * config.qk_head_dim();
    if (config.q_lora_rank > 0) {
      linears.push_back({"q_a", config.q_lora_rank, d});
      linears.push_back({"q_b", q_out, config.q_lora_rank, true});
    } else {
      linears.push_back({"q", q_out, d});
    }
    linears.push_back({"kv_a", config.latent_dim(), d});
    linears.push_back(
        {"kv_b", heads * (config.qk_nope_head_dim + config.v_head_dim), config.kv_lora_rank, true});
  } else {
    const i64 kv_heads = std::max<i64>(1, config.num_key_value_heads / tensor_ranks);
    linears.push_back({"qkv", (heads + 2 * kv_heads) * config.head_dim, d});
  }
  linears.push_back({"o", d, heads * config.value_head_dim()});
  return linears;
}

}  // namespace fathom::plan
