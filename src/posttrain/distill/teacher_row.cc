#include "posttrain/distill/teacher_row.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace fathom::posttrain {

TeacherRow teacher_row(std::span<const float> log_probs, i64 top_k) {
  std::vector<i32> order(log_probs.size());
  std::iota(order.begin(), order.end(), 0);
  const auto log_prob_of = [&](i32 id) { return log_probs[static_cast<size_t>(id)]; };
  const auto kept = std::min(top_k, std::ssize(order));
  std::ranges::partial_sort(order, order.begin() + kept, [&](i32 a, i32 b) {
    return log_prob_of(a) != log_prob_of(b) ? log_prob_of(a) > log_prob_of(b) : a < b;
  });
  TeacherRow row;
  double rest = 0.0;
  for (i64 i = 0; i < std::ssize(order); ++i) {
    const i32 id = order[static_cast<size_t>(i)];
    if (i < kept) {
      row.ids.push_back(id);
      row.log_probs.push_back(log_prob_of(id));
    } else {
      rest += std::exp(static_cast<double>(log_prob_of(id)));
    }
  }
  // Rounding may bring the mass of many above 1.
  row.rest = static_cast<float>(std::log(std::min(rest, 1.0)));
  return row;
}

void TeacherMemory::clear() {
  ids_.clear();
  log_probs_.clear();
  rest_.clear();
}

void TeacherMemory::add(const TeacherRow& row) {
  FATHOM_CHECK(ids_.size() == row.ids.size() * rest_.size(), row.ids.size(), " ids in row ",
               rest_.size(), " behind ", ids_.size());
  ids_.insert(ids_.end(), row.ids.begin(), row.ids.end());
  log_probs_.insert(log_probs_.end(), row.log_probs.begin(), row.log_probs.end());
  rest_.push_back(row.rest);
}

TeacherToken TeacherMemory::token(i64 row) const {
  FATHOM_CHECK(row >= 0 && row < rows(), "row ", row, " of ", rows());
  const size_t top_k = ids_.size() / rest_.size(), first = static_cast<size_t>(row) * top_k;
  return {.ids = std::span(ids_).subspan(first, top_k),
          .log_probs = std::span(log_probs_).subspan(first, top_k),
          .rest = rest_[static_cast<size_t>(row)]};
}

}  // namespace fathom::posttrain
