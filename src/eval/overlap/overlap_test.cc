#include "eval/overlap/overlap.h"

#include <gmock/gmock.h>

#include <fstream>

namespace fathom::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kThirteen =
    "one two three four five six seven eight nine ten eleven twelve thirteen";

TEST(Overlap, ThirteenWordsOrFiftyCharactersInARow) {
  const std::vector<std::string> items = {
      std::string("Zero: ") + kThirteen + "!",
      "Antidisestablishmentarianism incomprehensibilities, twice over",  // long words, few of them
      "a short question"};
  OverlapIndex index(items);
  index.scan("one two three four five six seven eight nine xx ten eleven");
  index.scan("a short question");
  index.scan("antidisestablishmentarianism is long");
  EXPECT_THAT(index.found(), ElementsAre(false, false, false))
      << "nine words are none, nor is a short item";
  index.scan(
      "Before. ONE two, three\nfour - five six seven eight nine ten eleven twelve (thirteen) "
      "after");
  EXPECT_THAT(index.found(), ElementsAre(true, false, false));
  index.scan("xx antidisestablishmentarianism\nincomprehensibilities twice over");
  EXPECT_THAT(index.found(), ElementsAre(true, true, false));
}

TEST(Overlap, TheOtherWayRoundWithARuleOfOnesOwn) {
  const std::vector<std::string> items = {"one two three four five", "Six, seven: eight!"};
  const OverlapIndex index(items, {.words = 3, .characters = 0});
  EXPECT_TRUE(index.meets("zero one TWO three"));
  EXPECT_TRUE(index.meets("a\nsix seven\teight"));
  EXPECT_FALSE(index.meets("one two four five six seven"));
  EXPECT_FALSE(index.meets("two"));
  EXPECT_FALSE(OverlapIndex(items, {.words = 0, .characters = 0}).meets("one two three four five"));
  EXPECT_TRUE(OverlapIndex(items, {.words = 0, .characters = 7}).meets("xone two"));
}

TEST(Overlap, ReadsTextsAndJsonLinesBelowAFolder) {
  const std::filesystem::path folder = std::filesystem::path(::testing::TempDir()) / "overlap";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder / "deep");
  std::ofstream(folder / "deep" / "a.jsonl")
      << "{\"text\": \"one two three\\nfour five six seven eight nine ten "
         "eleven twelve thirteen\"}\n";
  std::ofstream(folder / "b.txt") << "nothing of it";
  Task task;
  task.items.resize(2);
  task.items[0].document.stored =
      value_or_throw(io::parse_json(std::string("{\"q\": [\"") + kThirteen + "\"]}", "t"));
  task.items[1].document.stored = value_or_throw(io::parse_json("{\"q\": \"another one\"}", "t"));
  EXPECT_THAT(value_or_throw(items_in_training_text({&task, 1}, folder)), ElementsAre(true, false));
  std::ofstream(folder / "c.jsonl") << "{broken\n";
  EXPECT_THAT(items_in_training_text({&task, 1}, folder).error().message(), HasSubstr("c.jsonl:1"));
  std::filesystem::remove_all(folder);
  EXPECT_FALSE(items_in_training_text({&task, 1}, folder));
}

}  // namespace
}  // namespace fathom::eval
