#include "engine/sampling/grammar_mask.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::engine {

GrammarMask::GrammarMask(std::shared_ptr<const grammar::Grammar> grammar,
                         const std::shared_ptr<const grammar::Vocabulary>& vocabulary,
                         std::span<const i32> end_ids)
    : matcher_(std::move(grammar), vocabulary),
      end_ids_(end_ids.begin(), end_ids.end()),
      words_(vocabulary->num_words()) {
  look();
}

std::span<const u32> GrammarMask::allowed() {
  if (failed_tokens_ > 0) throw Error(ErrorCode::kUnsupported, error_);
  if (const i32 forced = forced_token(); forced >= 0) {
    std::ranges::fill(words_, 0);
    grammar::add_token(words_, forced);
    return words_;
  }
  const std::span<const u32> words = matcher_.allowed();
  if (!matcher_.may_end()) return words;
  std::ranges::copy(words, words_.begin());
  for (const i32 id : end_ids_) {
    if (static_cast<size_t>(id) / 32 < words_.size()) grammar::add_token(words_, id);
  }
  return words_;
}

void GrammarMask::accept(i32 id) {
  if (failed_tokens_ > 0) {
    ++failed_tokens_;
    return;
  }
  try {
    FATHOM_CHECK(matcher_.accept(id), "the grammar's mask allowed token ", id,
                 ", but not its text");
  } catch (const grammar::BudgetError& error) {
    error_ = error.message();
    failed_tokens_ = 1;
  }
  look();
}

void GrammarMask::roll_back(i64 count) {
  const i64 failed = std::min(count, failed_tokens_);
  failed_tokens_ -= failed;
  matcher_.roll_back(count - failed);
  look();
}

std::vector<i32> GrammarMask::forced_run(i64 limit) {
  std::vector<i32> ids;
  while (std::ssize(ids) < limit && failed_tokens_ == 0) {
    const i32 id = forced_token();
    if (id < 0) break;
    accept(id);
    ids.push_back(id);
  }
  roll_back(std::ssize(ids));
  return ids;
}

// A budget that is exceeded here is exceeded again where allowed() tells.
void GrammarMask::look() {
  try {
    complete_ = failed_tokens_ == 0 && matcher_.must_end();
  } catch (const grammar::BudgetError&) {
    complete_ = false;
  }
}

i32 GrammarMask::forced_token() {
  try {
    return matcher_.forced_token();
  } catch (const grammar::BudgetError&) {
    return -1;
  }
}

std::function<std::unique_ptr<TokenMask>()> make_grammar_mask(
    std::shared_ptr<const grammar::Grammar> grammar,
    std::shared_ptr<const grammar::Vocabulary> vocabulary, std::vector<i32> end_ids) {
  static_cast<void>(grammar->masks(vocabulary));  // made here, not by the engine's thread
  return [grammar = std::move(grammar), vocabulary = std::move(vocabulary),
          end_ids = std::move(end_ids)]() -> std::unique_ptr<TokenMask> {
    return std::make_unique<GrammarMask>(grammar, vocabulary, end_ids);
  };
}

}  // namespace fathom::engine
