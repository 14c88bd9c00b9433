#include "report/run/samples_table.h"

#include <gmock/gmock.h>

#include <fstream>

#include "testing/temp_dir.h"

namespace fathom::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(SamplesTable, ShowsTheNewestStepAndPassesOverWhatIsNoSample) {
  const testing::TempDir dir;
  EXPECT_EQ(samples_table(dir.path()), "");
  std::string lines = "{\"step\": 1, \"prompt\": \"old\", \"text\": \"old answer\"}\n";
  for (int i = 0; i < 40; ++i) {
    lines += "{\"step\": 2, \"prompt\": \"p" + std::to_string(i) + "\", \"text\": \"<b>\\n" +
             std::string(i == 0 ? 4000 : 1, 'x') + "\", \"tokens\": 7, \"reward\": 0.5}\n";
  }
  dir.write("samples.jsonl", lines + "no json\n{\"step\": 3, \"prompt\": \"half");
  const std::string table = samples_table(dir.path());
  EXPECT_THAT(table, AllOf(HasSubstr("Samples of step 2"), HasSubstr(">p0<"), HasSubstr(">p38<"),
                           HasSubstr("&lt;b&gt;\n"), HasSubstr("0.5"), Not(HasSubstr("old")),
                           Not(HasSubstr(">p39<")), Not(HasSubstr("half"))))
      << table;
  EXPECT_THAT(table, HasSubstr("x …")) << "what is very long is cut";
  dir.write("samples.jsonl", "{\"step\": 5, \"prompt\": \"ask\", \"text\": \"told\"}\n");
  EXPECT_THAT(samples_table(dir.path()), AllOf(HasSubstr("told"), HasSubstr("–")));
}

// Of a large file the end alone is read; its first line there is half a one.
TEST(SamplesTable, ReadsTheEndOfALargeFile) {
  const testing::TempDir dir;
  std::string lines;
  for (int i = 0; lines.size() < (3u << 20); ++i) {
    lines += "{\"step\": 1, \"prompt\": \"p\", \"text\": \"" + std::to_string(i) + "\"}\n";
  }
  dir.write("samples.jsonl", lines);
  EXPECT_THAT(samples_table(dir.path()), HasSubstr("Samples of step 1"));
}

}  // namespace
}  // namespace fathom::report
