#pragma once
// Samples of supervised fine-tuning as tokens, in memory.
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "io/content_hash.h"

namespace fathom::posttrain {

class SampleSet {
 public:
  struct Sample {
    std::span<const i32> ids;
    std::span<const u8> supervised;  // 1: a target
    i32 source = 0;
  };

  i64 size() const { return static_cast<i64>(ends_.size()); }
  i64 length(i64 sample) const { return end(sample) - begin(sample); }
  i64 longest() const;
  i64 num_tokens() const { return static_cast<i64>(ids_.size()); }
  /// Supervised tokens of the sample but the first, which nothing stands before.
  i64 num_targets(i64 sample) const;
  Sample operator[](i64 sample) const;

  /// Tokens and marks of all samples.
  void add_to(io::Hasher& hasher) const;

  void add(std::span<const i32> ids, std::span<const u8> supervised, i32 source);

 private:
  i64 begin(i64 sample) const { return sample == 0 ? 0 : end(sample - 1); }
  i64 end(i64 sample) const { return ends_[static_cast<size_t>(sample)]; }

  std::vector<i32> ids_;
  std::vector<u8> supervised_;
  std::vector<i64> ends_;
  std::vector<i32> sources_;
};

/// What became of the lines of one source.
struct SampleStatistics {
  std::string name;
  i64 lines = 0;
  i64 samples = 0;  // a conversation may give several
  i64 tokens = 0;
  i64 supervised = 0;
  i64 too_long = 0;  // of lines and samples: left out, or cut
  i64 longest = 0;   // tokens, those too long included
};

}  // namespace fathom::posttrain
