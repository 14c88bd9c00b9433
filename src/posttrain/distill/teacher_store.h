#pragma once
// What a teacher thinks of the supervised tokens of samples, on disk: safetensors, shards of them
// where they are large, with the tensors
//   N.ids        [rows, top_k]  U32   the likeliest tokens, falling; the lower id among equals
//   N.log_probs  [rows, top_k]  F16   their log-probabilities
//   N.rest       [rows]         F16   log of the mass of all others; -inf: none
// for N = 0, 1, ..., each of kRowsPerPart rows but the last. Row r is the r-th supervised token of
// all samples in order, first tokens left out. The header says whose they are.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "posttrain/distill/divergence.h"

namespace fathom::posttrain {

inline constexpr i64 kRowsPerPart = i64{1} << 20;

/// What a store was made from; a run refuses one of other makings.
struct TeacherStoreKey {
  std::string teacher;    // content of its directory
  std::string samples;    // hash of their tokens and of which are supervised
  std::string tokenizer;  // hash of its vocabulary
  i64 top_k = 0;
  double temperature = 1.0;
};

/// Round to nearest, ties to even; beyond the largest finite number: infinity.
u16 f32_to_f16(float value);

/// One row as it is stored.
struct TeacherRow {
  std::vector<u32> ids;
  std::vector<u16> log_probs;
  u16 rest = 0;
};
/// The top_k largest of log_probs [ids], all finite, the rest's mass summed. What F16 has no number
/// for becomes its lowest.
TeacherRow teacher_row(std::span<const float> log_probs, i64 top_k);

/// Writes a store of `rows` rows; `write` calls its argument for each in order. Throws Error{kIo |
/// kInvalidInput}.
void write_teacher_store(const std::filesystem::path& directory, const TeacherStoreKey& key,
                         i64 rows,
                         const std::function<void(const std::function<void(TeacherRow)>&)>& write);

class TeacherStore {
 public:
  /// Reads the whole store once. Throws Error{kInvalidInput}: not there, of another key (which
  /// field, found, expected), an id outside [0, num_ids), a log-probability that is none.
  TeacherStore(const std::filesystem::path& directory, const TeacherStoreKey& key, i64 rows,
               i64 num_ids);

  static bool exists(const std::filesystem::path& directory);
  i64 rows() const { return rows_; }
  i64 bytes() const;
  /// Valid until the thread's next call.
  TeacherToken token(i64 row) const;

 private:
  struct Part {
    const u8 *ids, *log_probs, *rest;
  };
  void check_numbers(const std::filesystem::path& directory, i64 num_ids) const;

  io::Checkpoint files_;
  i64 rows_, top_k_;
  std::vector<Part> parts_;
};

}  // namespace fathom::posttrain
