#include "posttrain/sft/packed_samples.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "data/permutation.h"
#include "posttrain/sft/packing.h"

namespace fathom::posttrain {
namespace {

/// Streams of random numbers of this seed.
constexpr u64 stream_of(i64 epoch, u64 purpose) {
  return u64{1} << 62 | purpose << 48 | static_cast<u64>(epoch);
}

}  // namespace

PackedSamples::PackedSamples(SampleSet set, i64 seq_len, u64 seed, Order order)
    : set_(std::move(set)), seq_len_(seq_len), seed_(seed), order_(order) {
  FATHOM_CHECK(set_.size() > 0, "no samples to pack");
  epochs_[0] = pack(0);
  rows_per_epoch_ = std::ssize(epochs_[0].order);
}

PackedSamples::Epoch PackedSamples::pack(i64 number) const {
  const bool shuffles = order_ == Order::kShuffled;
  // Samples of equal length change places, so that every epoch has other neighbours.
  const data::Permutation places = shuffles
                                       ? data::Permutation(set_.size(), seed_, stream_of(number, 0))
                                       : data::Permutation(set_.size());
  std::vector<i64> by_length(static_cast<size_t>(set_.size()));
  for (size_t i = 0; i < by_length.size(); ++i) by_length[i] = places.at(static_cast<i64>(i));
  const auto length = [this](i64 sample) { return set_.length(sample); };
  std::ranges::stable_sort(by_length, std::greater<>{}, length);
  std::vector<i64> lengths;
  lengths.reserve(by_length.size());
  for (const i64 sample : by_length) lengths.push_back(length(sample));
  const std::vector<i64> rows = pack_first_fit(lengths, seq_len_);

  Epoch epoch{.number = number, .samples = by_length, .row_begins = {}, .order = {}};
  const i64 num_rows = *std::ranges::max_element(rows) + 1;
  epoch.row_begins.assign(static_cast<size_t>(num_rows) + 1, 0);
  for (const i64 row : rows) ++epoch.row_begins[static_cast<size_t>(row) + 1];
  std::partial_sum(epoch.row_begins.begin(), epoch.row_begins.end(), epoch.row_begins.begin());
  std::vector<i64> next(epoch.row_begins.begin(), epoch.row_begins.end() - 1);
  for (size_t i = 0; i < rows.size(); ++i) {
    i64& place = next[static_cast<size_t>(rows[i])];
    epoch.samples[static_cast<size_t>(place++)] = by_length[i];
  }
  const data::Permutation order = shuffles
                                      ? data::Permutation(num_rows, seed_, stream_of(number, 1))
                                      : data::Permutation(num_rows);
  for (i64 i = 0; i < num_rows; ++i) epoch.order.push_back(order.at(i));
  return epoch;
}

const PackedSamples::Epoch& PackedSamples::epoch(i64 number) {
  Epoch& slot = epochs_[static_cast<size_t>(number % 2)];
  if (slot.number != number) slot = pack(number);
  return slot;
}

std::span<const i64> PackedSamples::row(i64 row) {
  const Epoch& in = epoch(row / rows_per_epoch_);
  const auto at = static_cast<size_t>(in.order[static_cast<size_t>(row % rows_per_epoch_)]);
  const auto begin = static_cast<size_t>(in.row_begins[at]);
  return std::span(in.samples).subspan(begin, static_cast<size_t>(in.row_begins[at + 1]) - begin);
}

double PackedSamples::filled() const {
  return static_cast<double>(set_.num_tokens()) / static_cast<double>(rows_per_epoch_ * seq_len_);
}

void PackedSamples::read(data::SampleRange range, i64 mtp_depth, data::SequenceBatch& batch) {
  batch.resize(range.count, seq_len_, mtp_depth);
  std::ranges::fill(batch.token_ids, 0);
  std::ranges::fill(batch.document_ordinals, data::kPadding);
  std::vector<u8> supervised(batch.token_ids.size());
  for (i64 r = 0; r < range.count; ++r) {
    auto at = static_cast<size_t>(r * batch.row_tokens());
    i32 ordinal = 0;
    const std::span<const i64> samples = row(range.first + r);
    for (const i64 number : samples) {
      const SampleSet::Sample sample = set_[number];
      std::ranges::copy(sample.ids, batch.token_ids.begin() + static_cast<ptrdiff_t>(at));
      std::ranges::copy(sample.supervised, supervised.begin() + static_cast<ptrdiff_t>(at));
      std::fill_n(batch.document_ordinals.begin() + static_cast<ptrdiff_t>(at), sample.ids.size(),
                  ordinal++);
      at += sample.ids.size();
    }
    batch.sources[static_cast<size_t>(r)] = set_[samples.front()].source;
    batch.samples[static_cast<size_t>(r)] = range.first + r;
  }
  batch.fill_targets(/*has_bos=*/true, /*isolate_documents=*/true);
  i32* target = batch.target_ids.data();
  for (i64 depth = 0; depth <= mtp_depth; ++depth) {
    for (i64 r = 0; r < range.count; ++r) {
      const u8* marks = supervised.data() + r * batch.row_tokens() + 1 + depth;
      for (i64 i = 0; i < seq_len_; ++i, ++target) {
        if (marks[i] == 0) *target = data::kIgnoredTarget;
      }
    }
  }
}

}  // namespace fathom::posttrain
