// EngineModel: generation, of texts and in conversations.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/model/engine_model.h"
#include "eval/model/request_runner.h"

namespace fathom::eval {

using engine::Event;
using engine::GenerateRequest;

/// A request that takes up what is left of the window at most.
GenerateRequest EngineModel::sampled(const GenerationRequest& request, std::vector<i32> ids) {
  GenerateRequest out;
  asked_tokens_ += ids.size();
  out.max_tokens = std::min(request.max_tokens, options_.engine.context_tokens - std::ssize(ids));
  out.prompt_ids = std::move(ids);
  out.stop_token_ids = options_.stop_token_ids;
  out.sampling.temperature = request.temperature;
  out.sampling.top_p = request.top_p;
  out.sampling.seed = request.seed;
  count_experts(out);
  return out;
}

/// Stop texts are looked for in the content alone, so that the engine does not know them.
void EngineModel::converse(std::span<const GenerationRequest> requests, const OnText& done) {
  std::vector<GenerateRequest> asked;
  std::vector<tokenizer::AnswerReader> readers;
  for (const GenerationRequest& request : requests) {
    ChatPrompt prompt = chat_->prompt(request.prompt);
    const i64 size = std::ssize(prompt.ids), window = options_.engine.context_tokens;
    if (size >= window) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: a conversation of {} tokens does not fit the window of {} "
                              "(--context)",
                              options_.facts.name, size, window));
    }
    readers.push_back(chat_->reader(prompt, request.stop));
    asked.push_back(sampled(request, std::move(prompt.ids)));
  }
  std::vector<GeneratedText> texts(requests.size());
  std::vector<tokenizer::AnswerPart> parts;
  run_requests(
      *engine_, std::move(asked),
      [&](size_t index, const Event& event, std::string_view) {
        GeneratedText& out = texts[index];
        tokenizer::AnswerReader& reader = readers[index];
        parts.clear();
        if (event.kind == Event::Kind::kToken && !reader.stopped()) {
          ++out.tokens;
          const auto& ends = options_.stop_token_ids;
          if (std::ranges::find(ends, event.id) == ends.end()) reader.push(event.id, parts);
        }
        const bool over = event.kind == Event::Kind::kFinish;
        if (over) {
          out.complete = reader.stopped() || event.reason == engine::FinishReason::kStop;
          reader.finish(!out.complete, parts);
        }
        add_content(parts, out.text);
        if (over) done(index, out);
      },
      options_.interrupted);
}

/// As lm-eval does: a window that the answer alone fills leaves no prompt.
void EngineModel::require_room(i64 answer_tokens) const {
  if (answer_tokens < options_.engine.context_tokens) return;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("{}: a window of {} tokens (--context) leaves no room for a prompt before "
                  "answers of up to {} (max_tokens)",
                  options_.facts.name, options_.engine.context_tokens, answer_tokens));
}

void EngineModel::generate(std::span<const GenerationRequest> requests, const OnText& done) {
  if (chat_) return converse(requests, done);
  const TextEncoder encoder(codec_, options_.engine.context_tokens);
  std::vector<GenerateRequest> asked;
  std::vector<GeneratedText> texts(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    require_room(requests[i].max_tokens);
    asked.push_back(sampled(
        requests[i],
        encoder.encode_prompt(requests[i].prompt, requests[i].max_tokens, texts[i].truncated)));
    asked.back().stop = requests[i].stop;
  }
  run_requests(
      *engine_, std::move(asked),
      [&](size_t index, const Event& event, std::string_view text) {
        GeneratedText& out = texts[index];
        out.text += text;
        if (event.kind == Event::Kind::kToken) ++out.tokens;
        if (event.kind != Event::Kind::kFinish) return;
        out.complete = event.reason == engine::FinishReason::kStop;
        done(index, out);
      },
      options_.interrupted);
}

}  // namespace fathom::eval
