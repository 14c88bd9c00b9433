#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/sampling/token_mask.h"
#include "grammar/match/grammar.h"

namespace fathom::engine {

/// What a grammar lets a sequence say. The end tokens may come where the text may end, and there
/// alone. A text that goes beyond the grammar's budget ends its sequence with an error.
class GrammarMask : public TokenMask {
 public:
  GrammarMask(std::shared_ptr<const grammar::Grammar> grammar,
              const std::shared_ptr<const grammar::Vocabulary>& vocabulary,
              std::span<const i32> end_ids);

  std::span<const u32> allowed() override;
  void accept(i32 id) override;
  void roll_back(i64 count) override;
  std::vector<i32> forced_run(i64 limit) override;
  bool complete() const override { return complete_; }

 private:
  i32 forced_token();
  void look();  // after a change: complete() is asked more often than it changes

  grammar::Matcher matcher_;
  std::vector<i32> end_ids_;
  std::vector<u32> words_;  // where allowed() is not the matcher's own
  bool complete_ = false;
  std::string error_;      // of the token after which matching failed
  i64 failed_tokens_ = 0;  // accepted since then, that one among them
};

/// For GenerateRequest::make_mask. Throws BudgetError if the grammar leaves no room to follow a
/// text.
std::function<std::unique_ptr<TokenMask>()> make_grammar_mask(
    std::shared_ptr<const grammar::Grammar> grammar,
    std::shared_ptr<const grammar::Vocabulary> vocabulary, std::vector<i32> end_ids);

}  // namespace fathom::engine
