#pragma once
// A prompt enters a cache in chunks, so that the scratch of a step does not grow with it.
#include <atomic>
#include <functional>
#include <span>

#include "model/attention/kv_cache.h"
#include "model/model.h"

namespace fathom::engine {

struct PrefillOptions {
  i64 chunk_tokens = 1024;  // of one step at most
  bool all_logits = false;  // of every token; else of the last one of each chunk
  model::RunOptions run;
  const std::atomic<bool>* interrupted = nullptr;  // once set, no further chunk begins
};

/// Told after each chunk: where it begins in the prompt, and its logits [rows, vocab].
using OnChunk = std::function<void(i64 begin, View<const float, 2> logits)>;

/// Appends `ids` to the cache. Returns how many: all of them, unless it was interrupted.
///   logits  [rows, vocab] f32, overwritten by each chunk: of all_logits as many rows as the
///   longest
///           chunk has, else one
i64 prefill(Ctx& ctx, const model::Model& model, model::KvCache& cache, std::span<const i32> ids,
            const PrefillOptions& options, View<float, 2> logits, const OnChunk& on_chunk = {});

}  // namespace fathom::engine
