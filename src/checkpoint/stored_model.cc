#include "checkpoint/stored_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>

#include "checkpoint/stored_names.h"

namespace fathom::checkpoint {
namespace {

constexpr std::string_view kLayers = "model.layers.";

/// "model.layers.61.enorm.weight" -> 61, and what follows the number's point in `rest`.
std::optional<i64> layer_of(std::string_view name, std::string_view& rest) {
  if (!name.starts_with(kLayers)) return std::nullopt;
  name.remove_prefix(kLayers.size());
  i64 layer = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), layer);
  const auto digits = static_cast<size_t>(end - name.data());
  if (error != std::errc() || layer < 0 || digits == name.size() || name[digits] != '.') {
    return std::nullopt;
  }
  rest = name.substr(digits + 1);
  return layer;
}

/// What an MTP module has beside a layer's own tensors.
bool is_of_mtp(std::string_view rest) {
  return rest.starts_with("enorm.") || rest.starts_with("hnorm.") || rest.starts_with("eh_proj.") ||
         rest.starts_with("shared_head.");
}

std::string count_of(i64 number, const char* what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

}  // namespace

StoredLayers stored_layers(const io::Checkpoint& checkpoint) {
  constexpr i64 kNone = std::numeric_limits<i64>::max();
  i64 last = -1, first_mtp = kNone;
  for (const io::StoredTensor* tensor : checkpoint.tensors()) {
    std::string_view rest;
    const auto layer = layer_of(tensor->name, rest);
    if (!layer || *layer == kNone) continue;
    last = std::max(last, *layer);
    if (is_of_mtp(rest)) first_mtp = std::min(first_mtp, *layer);
  }
  const i64 main = std::min(last + 1, first_mtp);
  return {.main = main, .mtp = last + 1 - main};
}

std::string layer_count_problem(const ModelConfig& config, const StoredLayers& stored) {
  const i64 layers = config.num_hidden_layers;
  if (stored.main == 0 || stored.main == layers) return {};
  const bool first_layers_alone = layers < stored.main && config.num_nextn_predict_layers == 0;
  if (first_layers_alone) return {};
  std::string text =
      fmt::format("num_hidden_layers is {} in config.json, but the weights hold {}{}: set it to {}",
                  layers, count_of(stored.main, "layer"),
                  stored.mtp > 0 ? " and " + count_of(stored.mtp, "MTP module") : "", stored.main);
  text += layers < stored.main
              ? fmt::format(", or num_nextn_predict_layers to 0 for a model of the first {} alone",
                            count_of(layers, "layer"))
              : std::string(" or get the missing layers");
  return text;
}

std::string other_names_problem(const io::Checkpoint& checkpoint) {
  struct Ending {
    std::string_view text, what;
  };
  constexpr std::array kEndings = {
      Ending{".qweight", "integers of GPTQ or AWQ"},
      Ending{".absmax", "bitsandbytes' NF4 or INT8"},
      Ending{".weight_scale_2", "NVIDIA ModelOpt's NVFP4"},
      Ending{".scales", "MLX's integers"},
      Ending{"_blocks", "MXFP4 blocks"},
      Ending{".lora_A.weight", "an adapter (LoRA), to be merged into its model first"},
      Ending{".attn.wq_a.weight", "weights named as DeepSeek's inference code names them"},
      Ending{".attention.wq.weight", "weights named as Meta's code names them"},
  };
  constexpr std::string_view kEmbedding = "model.embed_tokens.weight";
  std::string_view other_embedding;
  for (const io::StoredTensor* tensor : checkpoint.tensors()) {
    const std::string_view name = tensor->name;
    if (name == kEmbedding) other_embedding = name;
    for (const Ending& ending : kEndings) {
      if (!name.ends_with(ending.text)) continue;
      return fmt::format("the tensor `{}` is one of {}, which are not read", name, ending.what);
    }
    const bool layer = name.find("layers.") != name.npos;
    if (other_embedding.empty() && !layer && name.ends_with("embed_tokens.weight")) {
      other_embedding = name;
    }
  }
  if (other_embedding.empty() || other_embedding == kEmbedding) return {};
  return fmt::format(
      "the embedding is called `{}`, expected `{}`: all names have another beginning",
      other_embedding, kEmbedding);
}

ModelConfig as_stored(ModelConfig config, const io::Checkpoint& checkpoint) {
  if (!config.tie_word_embeddings) return config;
  const std::string name = "lm_head.weight";
  const io::StoredTensor* head = checkpoint.find(name);
  const io::StoredTensor* embedding = checkpoint.find("model.embed_tokens.weight");
  const bool packed = checkpoint.find(PackedNames(name).packed) != nullptr;
  if (head == nullptr && !packed) return config;
  const bool same = head != nullptr && embedding != nullptr && head->dtype == embedding->dtype &&
                    head->shape == embedding->shape &&
                    std::ranges::equal(head->bytes, embedding->bytes);
  config.tie_word_embeddings = same;
  return config;
}

}  // namespace fathom::checkpoint
