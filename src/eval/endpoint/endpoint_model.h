#pragma once
// A model behind an OpenAI-compatible server.
#include <atomic>
#include <optional>
#include <string>

#include "engine/prompt.h"
#include "eval/endpoint/http_client.h"
#include "eval/model/encoded_text.h"
#include "eval/model/language_model.h"

namespace fathom::eval {

struct EndpointOptions {
  std::string url;    // up to /v1, as base_url of OpenAI's clients
  std::string model;  // its name there
  std::string key;
  std::string tokenizer;  // identity of the local one: token ids, and so answers, depend on it
  i64 window = 2048;      // tokens of prompt and answer
  i64 connections = 8;
  bool chat = false;  // /chat/completions in place of /completions: generation alone
  const std::atomic<bool>* interrupted = nullptr;
};

/// Log-probabilities by /completions with `echo`, `logprobs` and prompts of token ids, as
/// lm-eval's local-completions asks; the tokenizer is a local one of the same model. Generation
/// with texts. Several requests at once, each on a connection of its own; what a request gets does
/// not depend on that.
class EndpointModel : public LanguageModel {
 public:
  /// `codec` may be null where nothing is scored; it must outlive this. kInvalidInput for a URL
  /// that is none.
  EndpointModel(const EndpointOptions& options, const engine::TextCodec* codec);

  void score(std::span<const ContextAndText> requests, const OnScore& done) override;
  void score_documents(std::span<const RollingRequest> requests, const OnScore& done) override;
  void generate(std::span<const GenerationRequest> requests, const OnText& done) override;
  ModelFacts facts() const override;
  ModelWork work() const override { return work_; }

 private:
  /// Many bodies to one path; `done` gets each reply, one at a time.
  void send_all(const std::string& path, const std::vector<std::string>& bodies,
                const std::function<void(size_t, const io::JsonValue&)>& done);
  std::string scoring_body(const std::vector<i32>& ids) const;
  const engine::TextCodec& codec() const;

  EndpointOptions options_;
  Url url_;
  const engine::TextCodec* codec_;
  ModelWork work_;
};

}  // namespace fathom::eval
