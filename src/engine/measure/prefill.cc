#include "engine/measure/prefill.h"

#include <algorithm>

namespace fathom::engine {

i64 prefill(Ctx& ctx, const model::Model& model, model::KvCache& cache, std::span<const i32> ids,
            const PrefillOptions& options, View<float, 2> logits, const OnChunk& on_chunk) {
  FATHOM_CHECK(options.chunk_tokens > 0, "prefill in chunks of ", options.chunk_tokens);
  const i64 tokens = std::ssize(ids);
  for (i64 begin = 0; begin < tokens; begin += options.chunk_tokens) {
    if (options.interrupted != nullptr && options.interrupted->load(std::memory_order_relaxed)) {
      return begin;
    }
    const i64 count = std::min(options.chunk_tokens, tokens - begin);
    const model::SequenceStep step{
        .token_ids = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
        .cache = &cache,
        .logits = options.all_logits ? model::LogitRows::kAll : model::LogitRows::kLast};
    const View<float, 2> rows = logits.slice(0, 0, options.all_logits ? count : 1);
    model.forward(ctx, {&step, 1}, options.run, rows);
    if (on_chunk) on_chunk(begin, rows);
  }
  return tokens;
}

}  // namespace fathom::engine
