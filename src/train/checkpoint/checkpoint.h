#pragma once
// Checkpoints: a Hugging Face model directory with two files more.
//
//   config.json, model*.safetensors, tokenizer files, generation_config.json
//   optimizer.safetensors   ARRAY.PARAMETER for the arrays exp_avg, exp_avg_sq, ema (if there is an
//                           average) and master (f32, if the model's weights are stored narrower)
//   trainer.json            counters, the run file, and size and hash of every other file
//
// A checkpoint is written under a temporary name, made durable, and renamed: under its own name it
// is whole.
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "config/run/run_config.h"
#include "device/ctx.h"
#include "train/checkpoint/state_gather.h"
#include "train/checkpoint/trainer_state.h"

namespace fathom::train {

DType stored_dtype(StoredDType dtype);

/// A model as it is written: what both checkpoints and the finished model are.
struct ModelFiles {
  ModelConfig config;  // with the ids of the text's first and last token
  DType dtype = DType::kBF16;
  std::filesystem::path tokenizer;  // tokenizer.json, or a directory with one
};

/// Writes a model directory that is whole or absent, replacing an older one, with the numbers of
/// the f32 array `weights` of `state`. On rank 0. Throws Error{kIo}.
void write_model(Ctx& ctx, const ModelFiles& files, StateGather& state, std::string_view weights,
                 const std::filesystem::path& directory);

/// The same of kMasterWeights with the trainer's state: all arrays of `state`. Fills
/// manifest.files. Throws Error{kIo} (a full disk, above all); then nothing has changed.
void write_checkpoint(Ctx& ctx, const ModelFiles& files, StateGather& state,
                      CheckpointManifest manifest, const std::filesystem::path& directory);

/// Reads trainer.json and holds every file against it, byte by byte. The Error lists everything
/// that is wrong: missing, truncated, changed.
[[nodiscard]] Result<CheckpointManifest> verify_checkpoint(const std::filesystem::path& directory);
/// trainer.json alone: for ranks that another verifies the files for.
[[nodiscard]] Result<CheckpointManifest> read_manifest(const std::filesystem::path& directory);

/// Reads what write_checkpoint wrote with arrays of the same names and types, and the weights: the
/// master copy if there is one. Of each, what this rank holds, whatever ranks wrote it. The
/// checkpoint must have been verified. Throws Error if it is of another model.
void read_checkpoint(Ctx& ctx, const ModelConfig& config, const parallel::Shards& shards,
                     const std::filesystem::path& directory, std::span<const StateArray> arrays,
                     std::span<float> weights);

}  // namespace fathom::train
