// Normalisation against Hugging Face `tokenizers`, whose answers are in tests/golden/tokenizer/
// normalized.jsonl (tools/make_wild_tokenizer_golden.py), and what must hold of any text.
#include "tokenizer/unicode/normalize.h"

#include <gtest/gtest.h>

#include "tokenizer/test_files.h"
#include "tokenizer/test_random_text.h"

namespace fathom::tokenizer {
namespace {

std::string nfc(std::string_view text) {
  std::string storage;
  return std::string(normalize(text, NormalizationForm::kNfc, storage));
}
std::string nfd(std::string_view text) {
  std::string storage;
  return std::string(normalize(text, NormalizationForm::kNfd, storage));
}

TEST(Normalize, EqualsTokenizers) {
  i64 num_cases = 0;
  for (const io::JsonValue& row : test_files::read_json_lines("normalized.jsonl")) {
    const std::string& text = row.find("text")->as_string();
    EXPECT_EQ(nfc(text), row.find("nfc")->as_string()) << text;
    EXPECT_EQ(nfd(text), row.find("nfd")->as_string()) << text;
    ++num_cases;
  }
  EXPECT_GE(num_cases, 1500);
}

TEST(Normalize, ThePointsOfTheStandard) {
  EXPECT_EQ(nfc("e\u0301 A\u030A \u212B"), "\u00E9 \u00C5 \u00C5");
  EXPECT_EQ(nfc("\u0958"), "\u0915\u093C") << "a composition exclusion";
  EXPECT_EQ(nfc("a\u0323\u0307"), nfc("a\u0307\u0323")) << "marks in the order of their classes";
  EXPECT_EQ(nfc("\u1100\u1161\u11A8"), "\uAC01");
  EXPECT_EQ(nfc("\uAC00\u11A8"), "\uAC01");
  EXPECT_EQ(nfc("\uAC01\u11A8"), "\uAC01\u11A8") << "it has a trailing consonant already";
  EXPECT_EQ(nfc("a\u0327\u0301"), "\u00E1\u0327") << "a mark of another class does not block";
  EXPECT_EQ(nfc("a\u0308\u0301"), "\u00E4\u0301") << "one of the same class does";
  EXPECT_EQ(nfd("\uAC01\u00E9\u1E69"), "\u1100\u1161\u11A8e\u0301s\u0323\u0307");
  EXPECT_EQ(nfc("\u0344"), "\u0308\u0301") << "begins with a mark";
  EXPECT_EQ(nfc("\u0301e"), "\u0301e");
}

TEST(Normalize, ATextThatIsNormalIsNotCopied) {
  for (const std::string_view text : {"", "plain", "caf\u00E9 \u4E2D\u6587 \uAC01 \U0001F600"}) {
    std::string storage;
    EXPECT_EQ(normalize(text, NormalizationForm::kNfc, storage).data(), text.data());
  }
}

TEST(Normalize, TwiceIsOnceAndMarksInMillionsTakeNoTime) {
  RandomText random(7);
  for (int i = 0; i < 2000; ++i) {
    const std::string once = nfc(random.text(40));
    EXPECT_EQ(nfc(once), once);
    EXPECT_EQ(nfc(nfd(once)), once);
  }
  std::string marks = "a";
  for (int i = 0; i < 500'000; ++i) marks += i % 2 == 0 ? "\u0301" : "\u0323";
  const std::string once = nfc(marks);
  EXPECT_TRUE(once.starts_with("\u1EA1\u0323\u0323"))
      << "the lower marks first, one of them joined";
  EXPECT_TRUE(once.ends_with("\u0301\u0301"));
  EXPECT_EQ(once.size(), marks.size());
}

}  // namespace
}  // namespace fathom::tokenizer
