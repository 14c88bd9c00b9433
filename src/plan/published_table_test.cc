// Behind all other rows: by the file's name it is linked last. ctest runs it as plan.published.
#include "plan/test_published.h"

namespace fathom::plan {
namespace {

TEST(PublishedTable, MedianDeviationStaysSmall) {
  std::vector<double> deviations;
  for (const PublishedRow& row : published_rows()) {
    if (row.tolerance > 0.0) deviations.push_back(std::abs(row.deviation()));
  }
  if (deviations.size() < 20) GTEST_SKIP() << "runs behind the rows, in one process";
  std::sort(deviations.begin(), deviations.end());
  const double median = deviations[deviations.size() / 2];
  std::printf("%zu rows, median deviation %.2f %%\n", deviations.size(), 100 * median);
  EXPECT_LE(median, 0.06);
}

}  // namespace
}  // namespace fathom::plan
