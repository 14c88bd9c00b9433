#include "engine/cache/spilled_rows.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::engine {

using device::kPageTokens;

SpilledRows::SpilledRows(DiskTier& tier) : tier_(tier) {
  const ChainSecret name = random_secret();
  std::ranges::copy(name, space_.bytes.begin());
}

SpilledRows::~SpilledRows() {
  // A page goes before the one that it follows.
  for (auto key = keys_.rbegin(); key != keys_.rend(); ++key) tier_.remove(*key);
}

void SpilledRows::write(std::string_view owner, std::span<const i32> ids, i64 begin,
                        std::span<u8* const> pages) {
  const i64 tokens = std::ssize(ids);
  FATHOM_CHECK(keys_.empty() && begin % kPageTokens == 0 && begin < tokens, "rows ", begin, " to ",
               tokens, " after ", keys_.size(), " pages");
  ChainHasher hasher(tier_.secret());
  PageEntry page{.space = space_, .parent = space_, .key = {}};
  begin_ = end_ = begin;
  while (end_ < tokens) {
    page.tokens = std::min(tokens - end_, kPageTokens);
    std::copy_n(ids.begin() + end_, page.tokens, page.ids.begin());
    page.key = hasher.next(page.parent, page.token_ids());
    if (!tier_.offer(page, owner, pages[static_cast<size_t>(end_ / kPageTokens)])) return;
    keys_.push_back(page.key);
    page.parent = page.key;
    end_ += page.tokens;
  }
}

SpilledRows::Outcome SpilledRows::read(i64 begin, u8* data) {
  const ChainKey& key = keys_[static_cast<size_t>((begin - begin_) / kPageTokens)];
  if (tier_.is_being_written(key)) return Outcome::kNotYetWritten;
  return tier_.load(key, space_, data) != nullptr ? Outcome::kRead : Outcome::kGone;
}

}  // namespace fathom::engine
