#pragma once
// A run's text: its tokenizer and the tokenised sources.
#include <vector>

#include "data/cache/prepare.h"
#include "tokenizer/tokenizer.h"
#include "train/run/setup.h"

namespace fathom::train {

struct RunText {
  tokenizer::Tokenizer tokenizer;
  std::vector<i32> text_bytes;  // of each id of the model's vocabulary
};

/// Loads the tokenizer, which must fit the model, and gives the model the ids of the tokens that
/// begin and end a document. Throws Error.
RunText load_run_text(RunSetup& setup);

}  // namespace fathom::train
