#include "engine/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"
#include "engine/prefill.h"
#include "engine/stop_text.h"
#include "tokenizer/stream_decoder.h"

namespace fathom::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_between(Clock::time_point begin, Clock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

bool is_set(const std::atomic<bool>* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

/// Turns token ids into certain text: whole characters first, then the stop texts.
class TextStream {
 public:
  TextStream(const tokenizer::Tokenizer& tokenizer, std::vector<std::string> stops,
             const OnText& on_text)
      : decoder_(tokenizer, tokenizer::SpecialTokens::kSkip),
        filter_(std::move(stops)),
        on_text_(on_text) {}

  /// False once a stop text is complete.
  bool push(i32 id) {
    emit(filter_.push(decoder_.push(id)));
    return !filter_.stopped();
  }
  void finish() {
    emit(filter_.push(decoder_.finish()));
    emit(filter_.finish());
  }
  std::string take_text() { return std::move(text_); }

 private:
  void emit(const std::string& piece) {
    if (piece.empty()) return;
    text_ += piece;
    if (on_text_) on_text_(piece);
  }

  tokenizer::StreamDecoder decoder_;
  StopTextFilter filter_;
  const OnText& on_text_;
  std::string text_;
};

}  // namespace

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kInterrupted:
      break;
  }
  return "interrupted";
}

std::vector<bool> sampleable_ids(const tokenizer::Tokenizer& tokenizer, i64 vocab_size) {
  std::vector<bool> allowed(static_cast<size_t>(vocab_size));
  for (i64 id = 0; id < vocab_size; ++id) {
    allowed[static_cast<size_t>(id)] = id < tokenizer.vocab_size();
  }
  return allowed;
}

Session::Session(Ctx& ctx, const model::Model& model, const tokenizer::Tokenizer& tokenizer,
                 const SessionOptions& options)
    : model_(model),
      tokenizer_(tokenizer),
      options_(options),
      ctx_(ctx),
      cache_(model.config(), options.cache_dtype, options.context_tokens),
      logits_(static_cast<size_t>(model.config().vocab_size)) {
  FATHOM_CHECK(options.prefill_chunk_tokens > 0, "prefill chunk of ", options.prefill_chunk_tokens);
  cached_ids_.reserve(static_cast<size_t>(options.context_tokens));
}

void Session::check(const GenerateRequest& request) const {
  value_or_throw(validate(request.sampling));
  const auto prompt = static_cast<i64>(request.prompt_ids.size());
  if (prompt == 0) {
    throw Error(ErrorCode::kInvalidInput, "the prompt holds no tokens, expected at least one");
  }
  if (prompt > cache_.capacity_tokens()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("the prompt has {} tokens, the context holds {} (--context)", prompt,
                            cache_.capacity_tokens()));
  }
  if (request.max_tokens < 0) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("max_tokens is {}, expected >= 0", request.max_tokens));
  }
}

/// Truncates the cache to the prefix that the new prompt shares with it; the last prompt token is
/// always recomputed, because its logits are needed. Returns the tokens that remain.
i64 Session::reuse_prefix(std::span<const i32> prompt_ids) {
  const size_t limit = std::min(cached_ids_.size(), prompt_ids.size() - 1);
  size_t common = 0;
  while (common < limit && cached_ids_[common] == prompt_ids[common]) ++common;
  cache_.truncate(static_cast<i64>(common));
  cached_ids_.resize(common);
  return static_cast<i64>(common);
}

void Session::step(i32 id) {
  const model::SequenceStep sequence{.token_ids = {&id, 1}, .cache = &cache_};
  model_.forward(ctx_, {&sequence, 1}, options_.run, last_logits());
  cached_ids_.push_back(id);
}

/// False if interrupted between two chunks.
bool Session::prefill(std::span<const i32> ids, const std::atomic<bool>* interrupted) {
  const i64 done = engine::prefill(ctx_, model_, cache_, ids,
                                   {.chunk_tokens = options_.prefill_chunk_tokens,
                                    .run = options_.run,
                                    .interrupted = interrupted},
                                   last_logits());
  cached_ids_.insert(cached_ids_.end(), ids.begin(), ids.begin() + done);
  return done == std::ssize(ids);
}

GenerateResult Session::generate(const GenerateRequest& request, const OnText& on_text,
                                 const std::atomic<bool>* interrupted) {
  check(request);
  GenerateResult result;
  result.prompt_tokens = static_cast<i64>(request.prompt_ids.size());
  const Clock::time_point start = Clock::now();
  Clock::time_point first_token = start;
  result.reused_tokens = reuse_prefix(request.prompt_ids);

  Sampler sampler(request.sampling, sampleable_ids(tokenizer_, model_.config().vocab_size));
  sampler.observe_prompt(request.prompt_ids);
  TextStream text(tokenizer_, request.stop, on_text);
  const std::span<const i32> fresh =
      std::span(request.prompt_ids).subspan(static_cast<size_t>(result.reused_tokens));
  bool running = prefill(fresh, interrupted);
  if (!running) result.finish_reason = FinishReason::kInterrupted;

  while (running && static_cast<i64>(result.token_ids.size()) < request.max_tokens) {
    const i32 id = sampler.sample({logits_.data(), {static_cast<i64>(logits_.size())}});
    if (first_token == start) first_token = Clock::now();
    if (std::ranges::find(request.stop_token_ids, id) != request.stop_token_ids.end()) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    result.token_ids.push_back(id);
    if (!text.push(id)) {
      result.finish_reason = FinishReason::kStop;
      break;
    }
    if (is_set(interrupted)) {
      result.finish_reason = FinishReason::kInterrupted;
      break;
    }
    const bool full = static_cast<i64>(cached_ids_.size()) == cache_.capacity_tokens();
    if (full || static_cast<i64>(result.token_ids.size()) == request.max_tokens) break;
    step(id);
    ++result.decode_steps;
  }
  const Clock::time_point end = Clock::now();
  text.finish();
  result.text = text.take_text();
  result.first_token_s = seconds_between(start, first_token == start ? end : first_token);
  result.decode_s = first_token == start ? 0.0 : seconds_between(first_token, end);
  return result;
}

}  // namespace fathom::engine
