#pragma once
// For this folder's tests: a run of reinforcement learning on the golden model of sft.
#include "posttrain/sft/test_support.h"

namespace fathom::posttrain {

/// Three prompts, two a step, four samples each, in F32. An answer has at most 6 tokens, and a fair
/// coin rewards it.
inline RunConfig tiny_grpo(const testing::TempDir& dir, const std::string& out) {
  RunConfig config = golden_run(dir / out);
  config.run.stage = TrainStage::kGrpo;
  config.data.seq_len = 32;
  config.data.train.clear();
  config.data.train["letters"].paths = {dir.write("prompts.jsonl",
                                                  "{\"prompt\": \"a\", \"answer\": \"b\"}\n"
                                                  "{\"prompt\": \"bc\", \"answer\": \"c\"}\n"
                                                  "{\"prompt\": \"cde\", \"answer\": \"d\"}\n")
                                            .string()};
  config.train.steps = 4;
  config.train.micro_batch_sequences = 3;
  config.train.checkpoint_every = 1;
  config.train.keep_last = 100;
  config.grpo.prompts = 2;
  config.grpo.group_size = 4;
  config.grpo.max_new_tokens = 6;
  // The untrained model would hardly ever be right, and equal rewards teach nothing.
  config.reward.answer = AnswerPlace::kWhole;
  config.reward.accuracy = 0.0;
  config.reward.random = 1.0;
  config.reward.overlong_buffer = 4;
  config.grpo.truncated = GrpoTruncated::kZero;
  return config;
}

}  // namespace fathom::posttrain
