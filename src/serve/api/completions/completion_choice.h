#pragma once
// One choice of a completion while it comes.
#include <string>
#include <vector>

#include "serve/api/completions/completion_reply.h"
#include "serve/api/completions/legacy_logprobs.h"

namespace fathom::serve {

/// What is known of a choice and was not written yet.
struct CompletionChoice {
  CompletionChoice(const CompletionReply& reply, i64 index_in)
      : index(index_in), logprobs(reply.model, reply.options.tokens_as_ids) {}

  i64 index;
  std::string text;
  LegacyLogprobs logprobs;
  std::vector<i32> token_ids;
  std::optional<Finish> finish;

  bool has_news() const {
    return !text.empty() || !logprobs.empty() || !token_ids.empty() || finish;
  }
  /// {"index", "text", "logprobs", "finish_reason"} of what was not taken yet.
  io::JsonObject take(const CompletionOptions& options);
};

/// Writes the results of one prompt into its choices.
class CompletionSink : public GenerationSink {
 public:
  CompletionSink(const CompletionReply& reply, size_t prompt, i64 num_choices);

  void prompt_token(const engine::Event& event) override;
  void token(const engine::Event& event, bool reasoning) override;
  void part(i64 choice, const tokenizer::AnswerPart& part) override;
  void finish(const engine::Event& end, const Finish& finish) override;

  std::vector<CompletionChoice> choices;

 private:
  CompletionChoice& at(i64 choice) { return choices[static_cast<size_t>(choice)]; }
  void add(CompletionChoice& choice, const engine::Event& event) const;

  CompletionOptions options_;
};

}  // namespace fathom::serve
