#pragma once
// What a preempted sequence computed, on disk until it goes on.
#include <span>
#include <string_view>
#include <vector>

#include "engine/cache/disk_tier.h"

namespace fathom::engine {

/// Rows of one sequence's own answer. A cached row of decoding serves nobody who wants exact rows,
/// since its bits depend on where the prompt ended; for the sequence itself it is the very row. So
/// these lie in a namespace of their own, which nobody else can name. The files go with the object;
/// those that a killed process left serve nobody, and go as unused ones do.
class SpilledRows {
 public:
  /// `tier` must outlive it.
  explicit SpilledRows(DiskTier& tier);
  ~SpilledRows();
  SpilledRows(const SpilledRows&) = delete;
  SpilledRows& operator=(const SpilledRows&) = delete;

  /// Offers the rows of `ids` from `begin`, the first one of a page, to their end; once. `pages`
  /// are those of all ids, [layers, kPageTokens, row] each. As many are kept as the tier takes.
  void write(std::string_view owner, std::span<const i32> ids, i64 begin,
             std::span<u8* const> pages);
  /// The rows kept are [begin(), end()).
  i64 begin() const { return begin_; }
  i64 end() const { return end_; }

  enum class Outcome { kRead, kNotYetWritten, kGone };
  /// The rows of the page of row `begin` to `data`; reads at most one file. After kGone (damaged,
  /// removed, never written) `data` holds anything.
  Outcome read(i64 begin, u8* data);

 private:
  DiskTier& tier_;
  ChainKey space_;
  std::vector<ChainKey> keys_;  // of the pages
  i64 begin_ = 0, end_ = 0;
};

}  // namespace fathom::engine
