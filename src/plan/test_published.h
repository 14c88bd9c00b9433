#pragma once
// Rows of published figures beside what the model says, printed with their deviations.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

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

/// Every test adds its rows here; the last one prints the table.
inline std::vector<PublishedRow>& published_rows() {
  static std::vector<PublishedRow> rows;
  return rows;
}

inline void check_row(const PublishedRow& row) {
  published_rows().push_back(row);
  EXPECT_TRUE(row.holds()) << row.number << " " << row.figure << ": published " << row.published
                           << ", model " << row.model << ", deviation " << 100.0 * row.deviation()
                           << " %, tolerance " << 100.0 * row.tolerance << " %";
  std::printf("%-4s %-52s %12.6g %12.6g %+7.1f %% of %s\n", row.number.c_str(), row.figure.c_str(),
              row.published, row.model, 100.0 * row.deviation(),
              row.tolerance == 0.0
                  ? "exact"
                  : (std::to_string(std::lround(100.0 * row.tolerance)) + " %").c_str());
}

}  // namespace fathom::plan
