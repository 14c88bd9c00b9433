#pragma once
// What the stored tensors say of the model themselves, beside what its config says: how many layers
// there are, and whether the head is one of its own. Everyone who opens weights decides by these.
#include <string>

#include "base/types.h"
#include "config/model/model_config.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

/// By the names of the tensors: main layers, and MTP modules after them.
struct StoredLayers {
  i64 main = 0;
  i64 mtp = 0;
};
StoredLayers stored_layers(const io::Checkpoint& checkpoint);

/// What is wrong with num_hidden_layers, so that tensors would be looked for in the wrong layers:
/// names the key and its right value. Empty if nothing is. A config that stops before the last main
/// layer and has no MTP modules is right: the model is its first layers.
std::string layer_count_problem(const ModelConfig& config, const StoredLayers& stored);

/// `config` as the checkpoint has it: where tie_word_embeddings stands beside a stored lm_head that
/// is not the embedding bit for bit, the head is kept and the result is not tied, as transformers
/// has it.
ModelConfig as_stored(ModelConfig config, const io::Checkpoint& checkpoint);

/// What the names of the tensors say where nearly all that a model needs would be missing: weights
/// of another quantiser, an adapter, names of another program. Empty if they are the usual ones.
std::string other_names_problem(const io::Checkpoint& checkpoint);

}  // namespace fathom::checkpoint
