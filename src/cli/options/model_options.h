#pragma once
// The options of every command that runs a model, and what they open.
#include <memory>
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"
#include "engine/make_engine.h"
#include "model/model.h"

namespace fathom::cli {

struct ModelOptions {
  std::string directory;  // or a .gguf file
  std::string gguf_to = "auto";
  std::string activations = "auto";
  std::string cache = "auto";
  std::string mla = "auto";
  i64 context_tokens = 0;  // 0: what the command thinks fit, at most the model's limit
};

/// --model, --gguf-to, --activations, --cache-dtype, --mla, --context.
void add_model_options(Arguments& command, ModelOptions& options);

/// The same without --model.
void add_loading_options(Arguments& command, ModelOptions& options);

/// --activations, --cache-dtype, --mla.
void add_run_options(Arguments& command, ModelOptions& options);

/// The numeric settings; "auto" is f32 throughout for a checkpoint stored in F32, int8 activations
/// for one of packed integers, else BF16.
engine::EngineOptions engine_options(const ModelOptions& options, const ModelConfig& config,
                                     i64 wanted_context_tokens);

/// Throws Error for a path that is neither a directory nor a GGUF file.
void check_model_path(const std::string& path);

std::unique_ptr<model::Model> load_model(Ctx& ctx, const ModelOptions& options);

}  // namespace fathom::cli
