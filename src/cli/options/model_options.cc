#include "cli/options/model_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "base/error.h"
#include "cli/arguments/value_check.h"
#include "cli/progress.h"
#include "io/downloaded.h"
#include "io/gguf/file.h"

namespace fathom::cli {

void add_model_options(Arguments& command, ModelOptions& options) {
  command
      .add_option("-m,--model", options.directory,
                  "Model directory (Hugging Face layout), or a .gguf file")
      .required()
      .type_name("PATH");
  add_loading_options(command, options);
}

void add_loading_options(Arguments& command, ModelOptions& options) {
  command
      .add_option(
          "--gguf-to", options.gguf_to,
          "Of a .gguf file: what its matrices are decoded to; auto: Q8_0, Q4_0 and Q4_1 stay "
          "integers with their exact numbers, others become f32 if all are stored so, else "
          "bf16")
      .one_of({"auto", "bf16", "f32"})
      .show_default();
  add_run_options(command, options);
  command
      .add_option("--context", options.context_tokens,
                  "Tokens the cache holds (prompt and answer together)")
      .check(integer_from(1))
      .type_name("TOKENS");
}

void add_run_options(Arguments& command, ModelOptions& options) {
  command
      .add_option("--activations", options.activations,
                  "What a Linear sees of its input: bf16; fp8 (per 1x128 tile, for FP8 weights, as "
                  "DeepSeek runs them); int8 (per group, for packed integer weights); f32 (exact); "
                  "auto: f32 for F32 checkpoints, int8 for packed integers, else bf16")
      .one_of({"auto", "f32", "bf16", "fp8", "int8"})
      .show_default();
  command
      .add_option("--cache-dtype", options.cache,
                  "How the KV cache is stored; fp8 keeps the rope part in bf16; auto: f32 with f32 "
                  "activations, else bf16")
      .one_of({"auto", "f32", "bf16", "fp8"})
      .show_default();
  command
      .add_option("--mla", options.mla,
                  "Form of latent attention: expanded (prefill), absorbed (decode); auto: the "
                  "cheaper one for each step")
      .one_of({"auto", "expanded", "absorbed"})
      .show_default();
}

engine::EngineOptions engine_options(const ModelOptions& options, const ModelConfig& config,
                                     i64 wanted_context_tokens) {
  engine::EngineOptions result;
  result.cost_measurement_s = 0.0;  // one request at a time
  const auto& quantization = config.quantization_config;
  const bool integers = quantization && quantization->has_integers();
  const std::string stored = config.torch_dtype == DType::kF32 ? "f32" : integers ? "int8" : "bf16";
  const std::string activations = options.activations == "auto" ? stored : options.activations;
  if (activations == "f32") {
    result.run.activations = ops::Activations::kF32;
  } else if (activations == "fp8") {
    if (!quantization || !quantization->has_fp8()) {
      throw Error(ErrorCode::kUnsupported,
                  "--activations fp8 needs FP8 weights; config.json has no quantization_config "
                  "with them (fathom convert --to fp8 makes such a model)");
    }
    const bool power_of_2 = quantization->scale_fmt == "ue8m0";
    result.run.activations = power_of_2 ? ops::Activations::kFp8PowerOf2 : ops::Activations::kFp8;
  }
  if (activations == "int8") {
    if (!integers) {
      throw Error(ErrorCode::kUnsupported,
                  "--activations int8 needs packed integer weights; config.json has none (fathom "
                  "convert --to int8 makes such a model)");
    }
    result.run.activations = ops::Activations::kInt8;
  }
  const std::string cache =
      options.cache != "auto" ? options.cache : (activations == "f32" ? "f32" : "bf16");
  if (cache == "f32") result.cache_dtype = ops::CacheDType::kF32;
  if (cache == "fp8") result.cache_dtype = ops::CacheDType::kFp8;
  if (options.mla == "expanded") result.run.mla_form = model::MlaForm::kExpanded;
  if (options.mla == "absorbed") result.run.mla_form = model::MlaForm::kAbsorbed;
  result.context_tokens = options.context_tokens > 0
                              ? options.context_tokens
                              : std::min(wanted_context_tokens, config.max_position_embeddings);
  return result;
}

void check_model_path(const std::string& path) {
  if (std::filesystem::is_directory(path) || io::gguf::is_gguf(path)) return;
  const bool exists = std::filesystem::exists(path);
  if (exists) value_or_throw(io::open_downloaded(path));  // says what it is instead
  throw Error(
      exists ? ErrorCode::kInvalidInput : ErrorCode::kNotFound,
      fmt::format("{}: {}; --model takes a directory with config.json, *.safetensors and "
                  "tokenizer.json, or a .gguf file",
                  path, exists ? "neither a directory nor a GGUF file" : "no such directory"));
}

std::unique_ptr<model::Model> load_model(Ctx& ctx, const ModelOptions& options) {
  check_model_path(options.directory);
  model::LoadOptions load;
  if (options.gguf_to == "f32") load.gguf_dtype = DType::kF32;
  if (options.gguf_to == "bf16") load.gguf_dtype = DType::kBF16;
  ProgressLine progress;
  const auto started = std::chrono::steady_clock::now();
  load.on_progress = [&](i64 done, i64 total) {  // a small file is there before anybody wonders
    if (std::chrono::steady_clock::now() - started < std::chrono::seconds(1)) return;
    progress.update("decoding weights", done, total);
  };
  return model::Model::load(ctx, options.directory, load);
}

}  // namespace fathom::cli
