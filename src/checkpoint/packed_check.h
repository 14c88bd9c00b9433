#pragma once
// Internal to checkpoint/: the tensors that stand for a matrix packed as integers.
#include <string>
#include <vector>

#include "config/model/parameter_list.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

struct PackedCheck {
  std::vector<const io::StoredTensor*> used;  // the packed words first
  std::vector<std::string> problems;
  std::string type;  // "INT4 in groups of 32, scales BF16"; empty: not to be told
};

/// Checks types, shapes and what the shape tensor says against `parameter`, whose packed words are
/// there. Zero points and an order of columns (g_idx) are refused unless they change nothing: they
/// would be passed over otherwise.
PackedCheck packed_check(const io::Checkpoint& checkpoint, const Parameter& parameter);

}  // namespace fathom::checkpoint
