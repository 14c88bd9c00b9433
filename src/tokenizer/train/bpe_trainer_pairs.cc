#include "tokenizer/train/bpe_trainer_pairs.h"

#include "base/check.h"

namespace fathom::tokenizer {

u64 PairBook::extend_positions(u64 count) {
  const u64 first = positions_.size();
  positions_.resize(first + count);
  return first;
}

void PairBook::add(const Entry& entry) {
  FATHOM_CHECK(entries_.size() < PairIndex::kNone, "too many pairs");
  const u32 index = static_cast<u32>(entries_.size());
  entries_.push_back(entry);
  entry_of_.insert(entry.key, index);
  queue_.push({entry.count, entry.key, index});
}

void PairBook::lose(PairKey key, i64 count) {
  const u32 entry = entry_of_.find(key);
  if (entry != PairIndex::kNone) entries_[entry].count -= count;
}

bool PairBook::take_best(Entry& best) {
  while (!queue_.empty()) {
    Candidate top = queue_.top();
    queue_.pop();
    const Entry& entry = entries_[top.entry];
    if (entry.count == top.count) {
      best = entry;
      return true;
    }
    top.count = entry.count;
    if (top.count >= least_count_) queue_.push(top);
  }
  return false;
}

}  // namespace fathom::tokenizer
