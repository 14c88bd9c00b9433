#pragma once
// For the engine's tests: small random models with a tokenizer, and requests of every kind.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/rng.h"
#include "checkpoint/random_init.h"
#include "config/model/model_config.h"
#include "engine/client.h"
#include "engine/make_engine.h"
#include "engine/prompt.h"
#include "engine/sampling/token_mask.h"
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

  std::unique_ptr<Engine> engine(const EngineOptions& options) {
    return make_engine(ctx, *model, &codec->tokenizer, options);
  }

  testing::TempDir directory;
  std::string path;
  Ctx ctx = backend::make_context();
  std::unique_ptr<model::Model> model;
  std::unique_ptr<TextCodec> codec;
};

/// Allows about three quarters of the ids, which ones depends on all tokens before; ends after
/// `length` tokens. What a grammar is to the engine.
class HashMask : public TokenMask {
 public:
  HashMask(u64 seed, i64 length) : length_(length), words_((kVocabSize + 31) / 32) {
    states_.reserve(4096);
    states_.push_back(seed);
  }

  std::span<const u32> allowed() override {
    for (size_t word = 0; word < words_.size(); ++word) {
      const auto random = Philox(states_.back(), 1).at(word);
      words_[word] = random[0] | random[1];
    }
    return words_;
  }
  void accept(i32 id) override {
    states_.push_back(Philox(states_.back(), 2).at(static_cast<u64>(id))[0]);
  }
  void roll_back(i64 count) override {
    states_.resize(states_.size() - static_cast<size_t>(count));
  }
  bool complete() const override { return std::ssize(states_) > length_; }

 private:
  i64 length_;
  std::vector<u64> states_;  // before each token
  std::vector<u32> words_;
};

/// The first tokens are given; everything may come behind them.
class BeginsWith : public TokenMask {
 public:
  explicit BeginsWith(std::span<const i32> ids) : ids_(ids), words_((kVocabSize + 31) / 32) {}

  std::span<const u32> allowed() override {
    const bool given = taken_ < ids_.size();
    words_.assign(words_.size(), given ? 0 : ~u32{0});
    if (given) words_[static_cast<size_t>(ids_[taken_]) / 32] |= 1u << (ids_[taken_] % 32);
    return words_;
  }
  void accept(i32 id) override {
    EXPECT_TRUE(allows(allowed(), id)) << id << " at " << taken_;
    ++taken_;
  }
  void roll_back(i64 count) override { taken_ -= static_cast<size_t>(count); }
  bool complete() const override { return false; }

 private:
  std::span<const i32> ids_;
  size_t taken_ = 0;
  std::vector<u32> words_;
};

/// The ids of a text, each of one byte.
inline std::vector<i32> ids_of(const TestModel& model, std::string_view text) {
  return model.codec->tokenizer.encode(text);
}

/// What came out of one choice.
struct Answer {
  std::vector<i32> ids;
  std::vector<double> log_probs;
  std::string text;
  std::optional<FinishReason> reason;
  bool operator==(const Answer&) const = default;
};

/// Sorts news by choice.
inline void take(const Events& news, std::vector<Answer>& answers) {
  size_t at = 0;
  for (const Event& event : news.events) {
    Answer& answer = answers[static_cast<size_t>(event.choice)];
    EXPECT_FALSE(answer.reason) << "an event after the end";
    const auto length = static_cast<size_t>(event.text_bytes);
    answer.text += news.text.substr(at, length);
    at += length;
    if (event.kind == Event::Kind::kToken) {
      answer.ids.push_back(event.id);
      answer.log_probs.push_back(event.log_prob);
    } else if (event.kind == Event::Kind::kFinish) {
      answer.reason = event.reason;
    }
  }
}

/// Reads what a stream has.
inline void collect(Stream& stream, std::vector<Answer>& answers) {
  Events news;
  while (stream.try_read(news)) take(news, answers);
}

/// The answers of a request that nothing disturbs.
inline std::vector<Answer> run_alone(Engine& engine, const GenerateRequest& request) {
  const Submission submission = value_or_throw(engine.submit(request));
  std::vector<Answer> answers(static_cast<size_t>(request.num_choices));
  while (!submission.stream->done()) {
    engine.step();
    collect(*submission.stream, answers);
  }
  return answers;
}

/// What a request got, and what it took.
struct Outcome {
  std::vector<Answer> answers;
  RequestStats stats;
};

/// Submits all at once and steps until all have ended.
inline std::vector<Outcome> run_together(Engine& engine,
                                         std::span<const GenerateRequest> requests) {
  std::vector<std::shared_ptr<Stream>> streams;
  std::vector<Outcome> outcomes(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    streams.push_back(value_or_throw(engine.submit(requests[i])).stream);
    EXPECT_NE(streams.back(), nullptr) << "refused";
    outcomes[i].answers.resize(static_cast<size_t>(requests[i].num_choices));
  }
  while (engine.step()) {
    for (size_t i = 0; i < streams.size(); ++i) collect(*streams[i], outcomes[i].answers);
  }
  for (size_t i = 0; i < streams.size(); ++i) {
    collect(*streams[i], outcomes[i].answers);
    EXPECT_TRUE(streams[i]->done()) << "request " << i;
    outcomes[i].stats = streams[i]->stats();
  }
  return outcomes;
}
inline Outcome run_one(Engine& engine, const GenerateRequest& request) {
  return run_together(engine, {&request, 1}).front();
}

}  // namespace fathom::engine
