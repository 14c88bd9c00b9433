#pragma once
// How the weights of a model are to be stored: the options that `convert` and `bench` share.
#include <string>

#include "checkpoint/storage.h"
#include "cli/arguments/arguments.h"
#include "config/model/model_config.h"

namespace fathom::cli {

struct StorageOptions {
  std::string linear;                                     // f32, bf16, fp8, int8 or int4
  std::string attention, experts, shared_experts, dense;  // the same; empty: as `linear`
  i64 group_size = 0;       // of every integer type; 0: its own default
  i64 int4_group_size = 0;  // that default for int4; int8 has 128
  bool quantize_head = false;
};

/// `name` (--to, --weights) for all linear layers, with `help`; --experts, --shared-experts,
/// --dense and --attention for parts; --group-size and --quantize-head.
void add_storage_options(Arguments& command, StorageOptions& options, const char* name,
                         const char* help);

/// Throws Error{kInvalidInput} if an option speaks of a part that the model does not have.
checkpoint::ModelStorage model_storage(const StorageOptions& options, const ModelConfig& config);

/// "fp8, experts int4 g32".
std::string describe(const StorageOptions& options);

}  // namespace fathom::cli
