#pragma once
// What a teacher thinks of the supervised tokens of samples, on disk: files of safetensors
//   rows-NNNNNNNNNNNN.safetensors   of the rows from number N on, as many as it has, with
//     ids        [rows, top_k]  U32   the likeliest tokens, falling; the lower id among equals
//     log_probs  [rows, top_k]  F16   their log-probabilities
//     rest       [rows]         F16   log of the mass of all others; -inf: none
// Row r is the r-th supervised token of all samples in order, first tokens left out. Each file is
// whole or absent, so that a pass that was stopped goes on behind the last one. Their headers say
// whose rows they are.
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/cache/cache_folder.h"
#include "io/safetensors.h"
#include "posttrain/distill/teacher.h"

namespace fathom::posttrain {

/// Round to nearest, ties to even; beyond the largest finite number: infinity.
u16 f32_to_f16(float value);

/// The lock of a store's folder, which is made if absent; nothing once `stopped` holds while
/// another process has it.
std::optional<data::FolderLock> lock_teacher_store(const std::filesystem::path& directory,
                                                   const std::function<bool()>& stopped = {});

/// Fills a store, row after row, under its folder's lock: one process at a time.
class TeacherStoreWriter {
 public:
  /// Rows that are there stay. Throws Error{kInvalidInput}: rows of
  /// another key (which field, found, expected), files that do not follow one another.
  TeacherStoreWriter(std::filesystem::path directory, TeacherStoreKey key, data::FolderLock lock);

  /// That are in files: the next one added has this number, and pending() more.
  i64 stored() const { return stored_; }
  i64 pending() const { return static_cast<i64>(rest_.size()); }
  /// What F16 has no number for becomes its lowest.
  void add(const TeacherRow& row);
  /// The pending rows become a file. Throws Error{kIo}.
  void flush();

 private:
  std::filesystem::path directory_;
  TeacherStoreKey key_;
  data::FolderLock lock_;
  i64 stored_ = 0;
  std::vector<u32> ids_;
  std::vector<u16> log_probs_, rest_;
};

class TeacherStore : public TeacherRows {
 public:
  /// Reads the whole store once. Throws Error{kInvalidInput}: not there, of another key (which
  /// field, found, expected), other rows than `rows`, an id outside [0, num_ids), a log-probability
  /// that is none.
  TeacherStore(const std::filesystem::path& directory, const TeacherStoreKey& key, i64 rows,
               i64 num_ids);

  i64 rows() const { return rows_; }
  TeacherToken token(i64 row) const override;

 private:
  struct Part {
    i64 first = 0;
    io::SafetensorsFile file;
    const u8 *ids, *log_probs, *rest;
  };
  const Part& part_of(i64 row) const;
  void check_numbers(const std::filesystem::path& directory, i64 num_ids) const;

  i64 rows_, top_k_;
  std::vector<Part> parts_;
};

}  // namespace fathom::posttrain
