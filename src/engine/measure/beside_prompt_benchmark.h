#pragma once
// What a long prompt and running streams do to each other.
#include <vector>

#include "engine/make_engine.h"
#include "model/model.h"

namespace fathom::engine {

struct BesidePromptOptions {
  model::RunOptions run;
  ops::CacheDType cache_dtype = ops::CacheDType::kBf16;
  std::vector<i64> batches = {4, 16};  // streams
  i64 context = 64;                    // tokens of a stream's prompt
  i64 steps = 16;                      // of the streams alone
  i64 prompt_tokens = 2048;            // of the one that comes
};

struct BesidePromptTiming {
  i64 streams = 0;
  i64 prompt_tokens = 0;
  double alone_tokens_per_s = 0.0;   // of all streams, without the prompt
  double beside_tokens_per_s = 0.0;  // while it is read
  double longest_gap_s = 0.0;        // between two tokens of a stream
  double target_s = 0.0;             // of a step beside a prompt: max(4 decode steps, 0.1 s)
  double prompt_alone_s = 0.0;       // to its first token
  double prompt_beside_s = 0.0;
};

/// One timing for each of `batches`. The prompt must fit the model's context.
std::vector<BesidePromptTiming> run_beside_prompt_benchmark(Ctx& ctx, const model::Model& model,
                                                            const BesidePromptOptions& options);

}  // namespace fathom::engine
