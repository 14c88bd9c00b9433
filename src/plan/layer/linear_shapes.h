#pragma once
// The matrices of a layer as products see them.
#include <string>
#include <vector>

#include "config/model/model_config.h"

namespace fathom::plan {

/// y = x W^T, W [out, in].
struct LinearShape {
  std::string name;
  i64 out = 0;
  i64 in = 0;
  bool up_projection = false;  // MLA's q_b and kv_b, which the backward pass recomputes
};

/// Attention's, with heads shared over `tensor_ranks`: by columns of what goes into the heads, by
/// rows of what comes out; latents are not split.
std::vector<LinearShape> attention_linears(const ModelConfig& config, i64 tensor_ranks);

}  // namespace fathom::plan
