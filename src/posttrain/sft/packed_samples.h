#pragma once
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "data/data_loader.h"
#include "data/sequence_batch.h"
#include "posttrain/sft/sample_set.h"

namespace fathom::posttrain {

/// Samples as rows of a batch, several to a row, each isolated: a document of its own. Epoch after
/// epoch, each packed anew, a function of (seed, epoch) alone. One thread at a time.
class PackedSamples {
 public:
  enum class Order { kShuffled, kAsPacked };
  /// At least one sample, none longer than `seq_len`.
  PackedSamples(SampleSet set, i64 seq_len, u64 seed, Order order);

  const SampleSet& set() const { return set_; }
  /// The same in every epoch.
  i64 rows_per_epoch() const { return rows_per_epoch_; }
  /// Which samples row `row` of all epochs holds, in order. Valid until the next call but one with
  /// a row of another epoch.
  std::span<const i64> row(i64 row);
  /// Share of the positions that hold a token.
  double filled() const;

  /// Rows [range.first, ...) into `batch`. A target is a supervised token of the same sample.
  void read(data::SampleRange range, i64 mtp_depth, data::SequenceBatch& batch);

 private:
  struct Epoch {
    i64 number = -1;
    std::vector<i64> samples;     // row after row
    std::vector<i64> row_begins;  // [rows + 1] in samples
    std::vector<i64> order;       // [rows] row of each place
  };
  Epoch pack(i64 number) const;
  const Epoch& epoch(i64 number);

  SampleSet set_;
  i64 seq_len_;
  u64 seed_;
  Order order_;
  i64 rows_per_epoch_ = 0;
  std::array<Epoch, 2> epochs_;  // the one in use and its neighbour
};

}  // namespace fathom::posttrain
