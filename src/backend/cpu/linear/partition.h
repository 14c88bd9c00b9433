#pragma once
// How the output rows of several products are cut into parts for threads.
#include <span>

#include "backend/cpu/linear/linear_jobs.h"

namespace fathom::backend::cpu {

/// Parts into which the jobs are worth cutting.
i64 parts_for(std::span<const LinearJob> jobs);

/// The jobs cut into `parts` of about equal cost. Where the cuts lie changes no result: each y[t,
/// o] is computed by itself.
class Partition {
 public:
  Partition(std::span<const LinearJob> jobs, i64 parts);

  /// fn(job index, row begin, row end) for each piece of `part`.
  template <typename Fn>
  void for_pieces(i64 part, Fn&& fn) const {
    const i64 begin = cut(part), end = cut(part + 1);
    i64 job_begin = 0;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const i64 first = row_at(jobs_[i], begin - job_begin);
      const i64 last = row_at(jobs_[i], end - job_begin);
      if (first < last) fn(i, first, last);
      job_begin += cost_of(jobs_[i]);
    }
  }

 private:
  static i64 cost_of(const LinearJob& job);
  /// The row at `offset` cost units into a job: a multiple of the grain, or the end.
  static i64 row_at(const LinearJob& job, i64 offset);
  // total_ / parts_ first: the product may be large, and equal parts to within `parts_` will do.
  i64 cut(i64 part) const { return part == parts_ ? total_ : total_ / parts_ * part; }

  std::span<const LinearJob> jobs_;
  i64 parts_;
  i64 total_ = 0;
};

}  // namespace fathom::backend::cpu
