#pragma once
// What a teacher thinks of a token, as it is kept: the likeliest ids and the mass of all others.
#include <vector>

#include "posttrain/distill/divergence.h"

namespace fathom::posttrain {

struct TeacherRow {
  std::vector<i32> ids;          // the likeliest, falling; the lower id first among equals
  std::vector<float> log_probs;  // of them
  float rest = 0.0f;             // log of the mass of all others; -inf: none
};

/// The top_k largest of log_probs [ids], all finite, the rest's mass summed.
TeacherRow teacher_row(std::span<const float> log_probs, i64 top_k);

/// Rows by number, as a loss asks for them.
class TeacherRows {
 public:
  virtual ~TeacherRows() = default;
  /// Valid until the thread's next call.
  virtual TeacherToken token(i64 row) const = 0;
};

/// Rows in memory, of one top_k.
class TeacherMemory : public TeacherRows {
 public:
  void clear();
  void add(const TeacherRow& row);
  i64 rows() const { return static_cast<i64>(rest_.size()); }
  TeacherToken token(i64 row) const override;

 private:
  std::vector<i32> ids_;
  std::vector<float> log_probs_, rest_;
};

}  // namespace fathom::posttrain
