#pragma once
#include <string>

#include "tokenizer/train/train_tokenizer.h"

namespace CLI {
class App;
}

namespace fathom::cli {

/// `fathom tokenizer train`.
class TokenizerTrain {
 public:
  void add(CLI::App& parent);
  bool chosen() const;
  int run();

 private:
  CLI::App* command_ = nullptr;
  tokenizer::TrainOptions options_;
  std::string out_;
  i64 max_memory_gib_ = 8;
  bool json_ = false;
};

}  // namespace fathom::cli
