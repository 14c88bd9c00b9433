#pragma once
// All weights of a model, as views of the mapped checkpoint.
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/parameter_layout.h"
#include "io/gguf/file.h"
#include "io/safetensors.h"
#include "model/block.h"
#include "model/mtp.h"
#include "model/step_profile.h"
#include "model/weights/random_weights.h"
#include "tensor/buffer.h"

namespace fathom::model {

/// Owns the storage; every view in it points into `checkpoint` or `owned`. Matrices stay as stored
/// (FP8 with its scales, BF16, F32) and are not copied where they are aligned to their elements;
/// F16 becomes F32. Norms and e_score_correction_bias are f32 copies.
struct Weights {
  std::string directory;
  ModelConfig config;
  ops::RopeTable rope;
  std::optional<io::gguf::File> gguf;  // if the weights come from such a file
  io::Checkpoint checkpoint;
  std::vector<Buffer> owned;  // f32 copies, and tensors that were not aligned
  i64 stored_bytes = 0;       // of the tensors that the model uses, scales included

  MatRef embed_tokens;               // [vocab, hidden]
  std::vector<BlockWeights> layers;  // [num_hidden_layers]
  View<const float, 1> norm;         // [hidden]  the final norm
  MatRef lm_head;                    // [vocab, hidden]; embed_tokens if tie_word_embeddings
  std::vector<MtpWeights> mtp;       // those that config and checkpoint have, by depth
};

/// Reads a directory's config.json, maps its weights and checks every tensor; or does so with a
/// GGUF file, whose matrices are decoded to `gguf_dtype` while `on_progress` is told of it
/// (checkpoint::load_gguf). Throws Error with all problems of the config, or all of the weights.
/// The context says where weights are uploaded to.
std::unique_ptr<Weights> load_weights(Ctx& ctx, const std::string& path,
                                      std::optional<DType> gguf_dtype = {},
                                      const std::function<void(i64, i64)>& on_progress = {});

/// Random weights in memory, as RandomWeights says.
std::unique_ptr<Weights> make_random_weights(Ctx& ctx, const ModelConfig& config,
                                             const RandomWeights& options);

/// Views of `array`, which must outlive them, in the layout of a model in training; no MTP modules.
std::unique_ptr<Weights> share_weights(const ModelConfig& config,
                                       const checkpoint::ParameterLayout& layout,
                                       const float* array);

/// What a step reads, for Model::read_bytes().
ReadBytes read_bytes(const Weights& weights);

/// Checks weights->checkpoint against weights->config and fills the views.
void bind_weights(Ctx& ctx, Weights& weights);

}  // namespace fathom::model
