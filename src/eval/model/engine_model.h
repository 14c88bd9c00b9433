#pragma once
// A model in this process: its requests share an engine, whose cache computes what they have in
// common once.
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/expert_loads.h"
#include "engine/make_engine.h"
#include "engine/prompt.h"
#include "eval/model/chat_codec.h"
#include "eval/model/encoded_text.h"
#include "eval/model/language_model.h"

namespace fathom::eval {

struct EngineModelOptions {
  engine::EngineOptions engine;  // context_tokens: the window
  ModelFacts facts;              // max_length and tokens are filled in
  std::vector<i32> stop_token_ids;
  /// Prompts of generation are a user's message (chat_codec.h).
  std::optional<tokenizer::RecognisedChatTemplate> chat;
  const std::atomic<bool>* interrupted = nullptr;
};

class EngineModel : public LanguageModel {
 public:
  /// All must outlive it. Throws Error as make_engine() does.
  EngineModel(Ctx& ctx, const model::Model& model, const engine::TextCodec& codec,
              const EngineModelOptions& options);
  ~EngineModel() override;

  void score(std::span<const ContextAndText> requests, const OnScore& done) override;
  void generate(std::span<const GenerationRequest> requests, const OnText& done) override;
  void score_documents(std::span<const RollingRequest> requests, const OnScore& done) override;
  ModelFacts facts() const override { return options_.facts; }
  ModelWork work() const override;

  /// ExpertLoads::counts() of all requests so far. Empty without EngineOptions::keep_routes.
  std::vector<std::vector<i64>> expert_loads() const;

 private:
  struct Scored;
  void score_batch(std::span<Scored> batch, const OnScore& done);
  void hand_on(const Scored& scored, const OnScore& done);
  void converse(std::span<const GenerationRequest> requests, const OnText& done);
  engine::GenerateRequest sampled(const GenerationRequest& request, std::vector<i32> ids);
  void require_room(i64 answer_tokens) const;
  void count_experts(engine::GenerateRequest& request);

  Ctx& ctx_;
  const engine::TextCodec& codec_;
  i64 vocab_;
  EngineModelOptions options_;
  std::optional<ChatCodec> chat_;
  std::unique_ptr<engine::Engine> engine_;
  u64 asked_tokens_ = 0;
  std::optional<engine::ExpertLoads> loads_;
};

}  // namespace fathom::eval
