#pragma once
// Training sequences in an order that is a pure function of the configuration: sample s is the same
// tokens whatever was read before, on however many ranks, in batches of whatever size.
//
//   sample s -> source        Mixture: shares of tokens, evenly interleaved
//            -> epoch, place  how many samples of that source came before s
//            -> stream        the source's documents in the epoch's order, end to end
//            (PackedStream)
//            -> tokens        the epoch's order of the stream's stretches of seq_len
#include <array>
#include <memory>
#include <span>
#include <vector>

#include "base/types.h"
#include "data/cache/prepare.h"
#include "data/mixture.h"
#include "data/packed_stream.h"
#include "data/sequence_batch.h"

namespace fathom::data {

struct LoaderConfig {
  i64 seq_len = 0;
  i64 mtp_depth = 0;  // extra tokens a sequence for the targets of MTP
  bool isolate_documents = false;
  bool has_bos = true;
  u64 seed = 0;
};
LoaderConfig loader_config(const DataConfig& config, i64 mtp_depth);

/// Consecutive samples.
struct SampleRange {
  i64 first = 0;
  i64 count = 0;
};
/// The part of a global batch that `rank` of `num_ranks` reads: contiguous, in rank order, sizes
/// that differ by at most one.
SampleRange rank_share(SampleRange global, i64 rank, i64 num_ranks);

/// The `batch`-th piece of at most `size` samples of a rank's share: beyond its end an empty one,
/// so that ranks with unequal shares can go through as many.
SampleRange batch_of_share(SampleRange share, i64 batch, i64 size);
/// Such pieces of the largest share of `samples` over `num_ranks`.
i64 batches_of_shares(i64 samples, i64 num_ranks, i64 size);

/// Where training stands: all that a checkpoint needs to know about data.
struct DataPosition {
  i64 next_sample = 0;
};

/// One thread at a time; the sources must outlive it. Memory: PackedStream's for two epochs a
/// source.
class DataLoader {
 public:
  /// `sources` as prepared, at least one, with their shares of the tokens (training_shares).
  DataLoader(std::span<const Source> sources, const LoaderConfig& config);

  /// Samples [range.first, range.first + range.count) into `batch`.
  void read(SampleRange range, SequenceBatch& batch);
  /// This rank's share of the next `global_sequences` samples; moves `position` behind all of them.
  void next_batch(DataPosition& position, i64 global_sequences, i64 rank, i64 num_ranks,
                  SequenceBatch& batch);

  /// How often the source's text has been gone through when samples 0 .. sample-1 are read.
  double epochs(int source, i64 sample) const;
  /// Sequences of one epoch of the source.
  i64 epoch_sequences(int source) const;
  /// Changes if any sample could: for a resumed run to see that its data are the same.
  io::Hash128 fingerprint() const;

 private:
  struct Epoch {
    Epoch(const TokenDataset& dataset, i64 num_sequences, u64 seed, int source, i64 epoch);
    i64 number;
    PackedStream stream;
    Permutation sequences;
  };
  const Epoch& epoch_of(int source, i64 number);
  void read_one(i64 sample, i64 row, SequenceBatch& batch);

  std::span<const Source> sources_;
  LoaderConfig config_;
  Mixture mixture_;
  // The epoch in use and the one before it or after it, a source.
  std::vector<std::array<std::unique_ptr<const Epoch>, 2>> epochs_;
};

/// One validation set, in the order of its files: every token but the first is a target exactly
/// once. Thread-safe; the source must outlive it.
class ValidationSet {
 public:
  ValidationSet(const Source& source, const LoaderConfig& config);

  const std::string& name() const { return source_->name; }
  i64 num_sequences() const;
  /// Sequences of the set, from the left; the last one may end in padding.
  void read(SampleRange range, SequenceBatch& batch) const;

 private:
  const Source* source_;
  LoaderConfig config_;
  PackedStream stream_;
};

/// Bytes of text that each id stands for, 0 for control tokens: the denominator of bits per byte.
/// Over a whole validation set whose documents begin with BOS, the targets' bytes sum to its
/// text_bytes.
std::vector<i32> text_bytes_of_ids(const tokenizer::Tokenizer& tokenizer);

}  // namespace fathom::data
