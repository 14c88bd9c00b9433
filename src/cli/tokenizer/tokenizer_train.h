#pragma once
#include <string>

#include "cli/arguments/arguments.h"
#include "tokenizer/train/train_tokenizer.h"

namespace fathom::cli {

/// `fathom tokenizer train`.
class TokenizerTrain {
 public:
  void add(Arguments& parent);
  bool chosen() const;
  int run();

 private:
  Arguments command_;
  tokenizer::TrainOptions options_;
  std::string out_;
  i64 max_memory_gib_ = 8;
  bool json_ = false;
};

}  // namespace fathom::cli
