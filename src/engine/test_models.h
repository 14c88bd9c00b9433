#pragma once
// For the engine's tests: small random models with a tokenizer.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "checkpoint/random_init.h"
#include "config/model/model_config.h"
#include "engine/make_engine.h"
#include "engine/prompt.h"
#include "testing/temp_dir.h"
#include "tokenizer/train/train_tokenizer.h"

namespace fathom::engine {

inline constexpr i64 kVocabSize = 320;  // the byte tokenizer has 276 ids: 44 rows have no token

/// V3's shape, very small, with `mtp` modules.
inline ModelConfig tiny_v3(i64 mtp) {
  ModelConfig config = value_or_throw(
      load_model_config(std::string(FATHOM_SOURCE_DIR) + "/configs/models/nano.json"));
  config.vocab_size = kVocabSize;
  config.num_hidden_layers = 2;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.moe_intermediate_size = 32;
  config.num_nextn_predict_layers = mtp;
  config.max_position_embeddings = 1024;
  return config;
}

/// R1-Distill-Llama's shape, very small: two heads of K and V for four of Q.
inline ModelConfig tiny_llama() {
  ModelConfig config = value_or_throw(load_model_config(
      std::string(FATHOM_SOURCE_DIR) + "/configs/models/deepseek-r1-distill-llama-8b.json"));
  config.vocab_size = kVocabSize;
  config.num_hidden_layers = 2;
  config.hidden_size = 64;
  config.intermediate_size = 96;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  config.max_position_embeddings = 1024;
  config.bos_token_id = 0;
  config.eos_token_id = {1};
  return config;
}

/// A model, its tokenizer and a context; what engines need to outlive.
struct TestModel {
  explicit TestModel(const ModelConfig& config, double weight_std = 0.2)
      : TestModel([&](Ctx& context, const std::string& where) {
          checkpoint::write_random_checkpoint(
              context, config, where, {.dtype = DType::kBF16, .weight_std = weight_std, .seed = 5});
        }) {}
  /// `write` makes the weights in a directory.
  explicit TestModel(const std::function<void(Ctx&, const std::string&)>& write)
      : path((directory.path() / "model").string()) {
    write(ctx, path);
    tokenizer::byte_tokenizer().save(path);
    model = model::Model::load(ctx, path);
    codec = std::make_unique<TextCodec>(value_or_throw(load_text_codec(path)));
  }

  /// Tests make thousands of engines: none measures for long.
  std::unique_ptr<Engine> engine(EngineOptions options) {
    options.cost_measurement_s = std::min(options.cost_measurement_s, 0.002);
    return make_engine(ctx, *model, &codec->tokenizer, options);
  }

  testing::TempDir directory;
  std::string path;
  Ctx ctx = backend::make_context();
  std::unique_ptr<model::Model> model;
  std::unique_ptr<TextCodec> codec;
};

/// The ids of a text, each of one byte.
inline std::vector<i32> ids_of(const TestModel& model, std::string_view text) {
  return model.codec->tokenizer.encode(text);
}

}  // namespace fathom::engine
