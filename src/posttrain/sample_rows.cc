#include "posttrain/sample_rows.h"

#include <algorithm>

namespace fathom::posttrain {

void one_sample_a_row(RunConfig& config) {
  constexpr i64 kTokens = 8192;
  config.data.isolate_documents = false;
  TrainSection& train = config.train;
  if (train.micro_batch_sequences != 0) return;
  train.micro_batch_sequences =
      std::clamp<i64>(kTokens / config.data.seq_len, 1, train.batch_sequences);
}

void check_sample_rows(const RunConfig& config, Problems& problems) {
  if (config.train.tokens > 0) {
    problems.unsupported("train.tokens",
                         "answers have no length before they are given; give "
                         "train.steps");
  }
  if (config.train.batch_start_sequences > 0) {
    problems.unsupported("train.batch_start_sequences", "a step has as many samples as any other");
  }
  if (config.recipe.balance.batch_aux_loss_weight > 0.0) {
    problems.unsupported("balance.batch_aux_loss_weight", "rows of samples end in padding");
  }
}

}  // namespace fathom::posttrain
