#include "eval/repair/edit_blocks.h"

#include <gmock/gmock.h>

#include <fstream>
#include <ostream>
#include <sstream>

#include "io/json.h"

namespace fathom::eval {

void PrintTo(const Edit& edit, std::ostream* out) {
  *out << edit.path << ": " << edit.search << "-> " << edit.replace;
}

namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kFile =
    "import os\n\ndef one():\n    return 1\n\ndef two():\n    return 1\n";

std::string block(const std::string& search, const std::string& replace) {
  return "a.py\n```python\n<<<<<<< SEARCH\n" + search + "=======\n" + replace +
         ">>>>>>> REPLACE\n```\n";
}

std::string after(const std::string& search, const std::string& replace) {
  return edited(kFile, {"a.py", search, replace}).value_or("not found");
}

TEST(EditBlocks, AreReadWithTheirPathsAsModelsWriteThem) {
  const auto edits = read_edits(
      "Here is the change:\n\n**src/a.py**:\n```python\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> "
      "REPLACE\n```\n"
      "and in the same file\n\n<<<<<<< SEARCH\n=======\nz\n>>>>>>> REPLACE\n"
      "`b_c.py`\n```\n<<<<< SEARCH>\n1\n=====\n2\n>>>>> REPLACE\n```\n");
  ASSERT_TRUE(edits) << edits.error().message();
  EXPECT_THAT(*edits, ElementsAre(Edit{"src/a.py", "x\n", "y\n"}, Edit{"src/a.py", "", "z\n"},
                                  Edit{"b_c.py", "1\n", "2\n"}));
  EXPECT_TRUE(read_edits("no block at all")->empty());
}

TEST(EditBlocks, MalformedOnesSayWhatIsMissing) {
  EXPECT_THAT(read_edits("\n<<<<<<< SEARCH\nx\n=======\ny\n>>>>>>> REPLACE\n").error().message(),
              HasSubstr("line 2: a SEARCH block without the file's name"));
  EXPECT_THAT(read_edits("a.py\n<<<<<<< SEARCH\nx\n>>>>>>> REPLACE\n").error().message(),
              HasSubstr("without ======="));
  EXPECT_THAT(read_edits("a.py\n<<<<<<< SEARCH\nx\n=======\ny\n").error().message(),
              HasSubstr("without >>>>>>> REPLACE"));
  for (const char* const path : {"/etc/passwd", "../a.py", "a/../../b.py"}) {
    EXPECT_THAT(read_edits(std::string(path) + "\n<<<<<<< SEARCH\n=======\ny\n>>>>>>> REPLACE\n")
                    .error()
                    .message(),
                HasSubstr("leads out of the folder"));
  }
  // Four or ten signs are text, so is another word.
  EXPECT_TRUE(read_edits("a.py\n<<<< SEARCH\n<<<<<<<<<< SEARCH\n<<<<<<< FIND\n")->empty());
}

TEST(EditBlocks, ReplaceTheFirstPlaceOfEqualLines) {
  EXPECT_EQ(after("    return 1\n", "    return 2\n"),
            "import os\n\ndef one():\n    return 2\n\ndef two():\n    return 1\n");
  EXPECT_EQ(after("def two():\n    return 1", "def two():\n    return 2"),
            "import os\n\ndef one():\n    return 1\n\ndef two():\n    return 2\n");
  EXPECT_EQ(after("    return 3\n", "x\n"), "not found");
  EXPECT_EQ(after("return", "x\n"), "not found");  // part of a line is no line
}

TEST(EditBlocks, ForgiveOneIndentThatIsMissingEverywhere) {
  EXPECT_EQ(after("return 1\n\ndef two():\n", "x"), "not found");  // not the same everywhere
  EXPECT_EQ(
      after("return 1\n", "if True:\n    return 2\n"),
      "import os\n\ndef one():\n    if True:\n        return 2\n\ndef two():\n    return 1\n");
  // Too much is taken off as well.
  EXPECT_EQ(
      after("      def two():\n          return 1\n", "      def two():\n          return 2\n"),
      "import os\n\ndef one():\n    return 1\n\ndef two():\n    return 2\n");
}

TEST(EditBlocks, ForgiveABlankLineAtTheBeginning) {
  EXPECT_EQ(after("\nimport os\n\ndef one():\n", "import sys\ndef one():\n"),
            "import sys\ndef one():\n    return 1\n\ndef two():\n    return 1\n");
}

TEST(EditBlocks, DotsStandForLinesBetweenPiecesThatAreThereOnce) {
  EXPECT_EQ(after("def one():\n...\ndef two():\n", "def uno():\n...\ndef due():\n"),
            "import os\n\ndef uno():\n    return 1\n\ndef due():\n    return 1\n");
  EXPECT_EQ(after("import os\n...\n    return 1\n", "import os\n...\n    return 2\n"), "not found");
  EXPECT_EQ(after("def one():\n...\n", "def uno():\n"), "not found");  // unpaired
}

TEST(EditBlocks, AnEmptySearchAppendsOrMakesAFile) {
  Files files = {{"a.py", "x\n"}};
  const EditOutcome outcome = apply_edits(
      block("", "y\n") + "new/b.py\n<<<<<<< SEARCH\n=======\nz\n>>>>>>> REPLACE\n", files);
  EXPECT_TRUE(outcome.well_formed());
  EXPECT_EQ(files, (Files{{"a.py", "x\ny\n"}, {"new/b.py", "z\n"}}));
}

TEST(EditBlocks, OneThatFailsLeavesTheOthersApplied) {
  Files files = {{"a.py", "one\ntwo\n"}, {"b.py", "three\n"}};
  const EditOutcome outcome =
      apply_edits(block("one\n", "1\n") + block("four\n", "4\n") + block("three\n", "3\n"), files);
  EXPECT_FALSE(outcome.well_formed());
  EXPECT_EQ(outcome.blocks, 3);
  ASSERT_EQ(outcome.failed.size(), 1u);
  EXPECT_EQ(outcome.failed[0].search, "four\n");
  // The third names a.py and stands in b.py.
  EXPECT_EQ(files, (Files{{"a.py", "1\ntwo\n"}, {"b.py", "3\n"}}));
  EXPECT_THAT(apply_edits("a.py\n<<<<<<< SEARCH\nx\n", files).malformed, HasSubstr("======="));
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// What aider 0.86.2 makes of random edits and answers: tools/golden/make_edit_golden.py.
TEST(EditBlocks, DoWhatAiderDoes) {
  std::istringstream lines(
      read_whole(std::string(FATHOM_SOURCE_DIR) + "/tests/golden/eval/edits.jsonl"));
  i64 found = 0, malformed = 0, cases = 0;
  for (std::string line; std::getline(lines, line); ++cases) {
    const io::JsonValue value = value_or_throw(io::parse_json(line, "line"));
    const auto text = [&](const char* key) { return value.find(key)->as_string(); };
    if (value.find("answer") == nullptr) {
      const auto own = edited(text("content"), {text("path"), text("search"), text("replace")});
      const io::JsonValue& want = *value.find("result");
      // Aider takes an edit that leaves nothing for one that failed.
      const bool is_found = own && !own->empty();
      EXPECT_EQ(is_found ? *own : "", want.is_null() ? "" : want.as_string()) << line;
      found += want.is_null() ? 0 : 1;
      continue;
    }
    const auto own = read_edits(text("answer"));
    const io::JsonValue& want = *value.find("edits");
    EXPECT_EQ(own.has_value(), !want.is_null()) << line;
    malformed += want.is_null() ? 1 : 0;
    if (!own || want.is_null()) continue;
    ASSERT_EQ(own->size(), want.as_array().size()) << line;
    for (size_t i = 0; i < own->size(); ++i) {
      const io::JsonArray& edit = want.as_array()[i].as_array();
      EXPECT_EQ((*own)[i], (Edit{edit[0].as_string(), edit[1].as_string(), edit[2].as_string()}))
          << line;
    }
  }
  EXPECT_EQ(cases, 500);
  EXPECT_GT(found, 100);
  EXPECT_GT(malformed, 30);
}

}  // namespace
}  // namespace fathom::eval
