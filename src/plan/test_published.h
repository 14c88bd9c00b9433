#pragma once
// Rows of published figures beside what the model says, printed with their deviations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/types.h"

namespace fathom::plan {

struct PublishedRow {
  std::string number;  // of the table in docs/planning.md
  std::string figure;
  double published = 0.0;
  double model = 0.0;
  double tolerance = 0.0;  // relative; 0: equal but for the published figure's rounding
  double rounding = 0.0;   // half a unit of its last digit

  double deviation() const { return model / published - 1.0; }
  bool holds() const {
    if (tolerance == 0.0) return std::abs(model - published) <= rounding * 1.0000001;
    return std::abs(deviation()) <= tolerance;
  }
};

/// Where the model's side of a row comes from. Only computed rows say how good the model is.
enum class Basis {
  kComputed,
  kFitted,    // a constant was set from this very figure, or changed with it in sight
  kConstant,  // the machine file holds the figure itself, or what it follows from by one division
};

/// What a reader of the table must know beside the row.
struct RowNote {
  /// The row lies outside its tolerance, docs/planning.md says why, and it is printed as a miss.
  /// One that holds fails here: then the note is out of date.
  bool misses = false;
  Basis basis = Basis::kComputed;
  /// The model, a machine file or the row's inputs were changed after it was first compared.
  bool revised = false;
};

inline constexpr RowNote kRevised = {.revised = true};

/// Rows that the model computes: README.md and docs/planning.md say how many.
inline constexpr i64 kComputedRows = 101;

struct PublishedRows {
  std::vector<double> computed;  // |deviation| of computed rows that have a tolerance
  i64 num_computed = 0, num_given = 0, num_missed = 0;
};

/// Every test adds its rows here; the last one judges them together.
inline PublishedRows& published_rows() {
  static PublishedRows rows;
  return rows;
}

inline std::string verdict(const PublishedRow& row, const RowNote& note) {
  const auto percent = [](double share) {
    char text[16];
    std::snprintf(text, sizeof text, "%g %%", 100.0 * share);
    return std::string(text);
  };
  std::string text = row.tolerance == 0.0 ? "exact" : percent(row.tolerance);
  if (note.misses) text += ", MISSES it";
  if (note.revised) text += ", revised";
  if (note.basis == Basis::kFitted) text += ", fitted";
  if (note.basis == Basis::kConstant) text += ", constant";
  return text;
}

inline void check_row(const PublishedRow& row, const RowNote& note = {}) {
  PublishedRows& rows = published_rows();
  if (note.basis == Basis::kComputed) {
    ++rows.num_computed;
    if (row.tolerance > 0.0) rows.computed.push_back(std::abs(row.deviation()));
  } else {
    ++rows.num_given;
  }
  rows.num_missed += note.misses ? 1 : 0;
  EXPECT_EQ(row.holds(), !note.misses)
      << row.number << " " << row.figure << ": published " << row.published << ", model "
      << row.model << ", deviation " << 100.0 * row.deviation() << " %, tolerance "
      << 100.0 * row.tolerance << " %";
  std::printf("%-4s %-52s %12.6g %12.6g %+7.1f %% of %s\n", row.number.c_str(), row.figure.c_str(),
              row.published, row.model, 100.0 * row.deviation(), verdict(row, note).c_str());
}

}  // namespace fathom::plan
