#pragma once
#include <string>

#include "base/dtype.h"
#include "base/types.h"

namespace fathom::model {

/// How the linear layers of a checkpoint are stored, and with them perhaps embedding and head.
struct Storage {
  DType dtype = DType::kBF16;  // F32 | BF16 | F8_E4M3 | I32: packed integers of
  int bits = 0;                // 4 or 8
  i64 group_size = 0;          // 32 or 128
  bool head = false;           // lm_head and the embedding too
};

/// "BF16", "INT4 in groups of 32".
std::string to_string(const Storage& storage);

}  // namespace fathom::model
