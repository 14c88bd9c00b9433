#include "engine/client.h"

#include <utility>

#include "base/clock.h"

namespace fathom::engine {

GenerateResult generate(Engine& engine, GenerateRequest request, const OnText& on_text,
                        const std::atomic<bool>* interrupted) {
  const Submission submission = value_or_throw(engine.submit(std::move(request)));
  if (submission.stream == nullptr) {
    throw Error(ErrorCode::kInvalidInput, "the engine's queue is full");
  }
  Stream& stream = *submission.stream;
  GenerateResult result;
  Events news;
  while (!stream.done()) {
    if (interrupted != nullptr && interrupted->load(std::memory_order_relaxed)) stream.cancel();
    if (!engine.step()) engine.wait(0.01);
    if (!stream.try_read(news)) continue;
    for (const Event& event : news.events) {
      if (event.kind == Event::Kind::kToken) result.token_ids.push_back(event.id);
      if (event.kind == Event::Kind::kFinish) result.finish_reason = event.reason;
    }
    result.text += news.text;
    if (on_text && !news.text.empty()) on_text(news.text);
  }
  if (result.finish_reason == FinishReason::kError) {
    throw Error(ErrorCode::kInvalidInput, stream.error());
  }
  result.stats = stream.stats();
  if (!result.token_ids.empty()) {
    result.decode_s = result.stats.total_s - result.stats.first_token_s;
  }
  return result;
}

}  // namespace fathom::engine
