// Fill-in-the-middle, token splitting, and what a document becomes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/check.h"
#include "data/test_tokenizer.h"
#include "data/text/document_encoder.h"
#include "data/text/fim.h"
#include "data/text/token_splitter.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::data {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::string_literals;  // NOLINT: strings with NUL

const std::string kProse =
    "The answer. \nThen (the other).\n\nAnd a \u20AC sign \u4E2D\u6587; end.\n";

TEST(Fim, PiecesAreTheDocumentAndWholeCharacters) {
  for (u64 document = 0; document < 500; ++document) {
    const auto pieces = draw_fim(kProse, 1.0, 3, document);
    ASSERT_TRUE(pieces);
    EXPECT_EQ(
        std::string(pieces->prefix) + std::string(pieces->middle) + std::string(pieces->suffix),
        kProse);
    for (const std::string_view piece : {pieces->prefix, pieces->middle, pieces->suffix}) {
      EXPECT_EQ(tokenizer::valid_utf8_prefix_bytes(piece), piece.size());
    }
  }
  const auto empty = draw_fim("", 1.0, 3, 0);
  ASSERT_TRUE(empty);
  EXPECT_EQ(empty->middle, "");
}

TEST(Fim, TheRateIsTheShareOfDocuments) {
  for (const double rate : {0.0, 0.1, 0.5, 1.0}) {
    i64 count = 0;
    constexpr i64 kDocuments = 20'000;
    for (u64 document = 0; document < kDocuments; ++document) {
      count += draw_fim("text", rate, 9, document).has_value();
    }
    const double deviation = std::sqrt(rate * (1 - rate) * kDocuments);
    EXPECT_NEAR(static_cast<double>(count), rate * kDocuments, 5 * deviation);
  }
}

TEST(Fim, CutsAreUniform) {
  const std::string text(99, 'x');
  double prefix = 0, middle = 0;
  constexpr i64 kDocuments = 10'000;
  for (u64 document = 0; document < kDocuments; ++document) {
    const auto pieces = draw_fim(text, 1.0, 1, document);
    prefix += static_cast<double>(pieces->prefix.size()) / kDocuments;
    middle += static_cast<double>(pieces->middle.size()) / kDocuments;
  }
  EXPECT_NEAR(prefix, 33, 1);  // of two uniform places the lesser is at a third on average
  EXPECT_NEAR(middle, 33, 1);
}

TEST(Fim, DependsOnSeedAndDocument) {
  i64 same_seed = 0, same_document = 0;
  for (u64 document = 0; document < 200; ++document) {
    const auto one = draw_fim(kProse, 1.0, 1, document)->prefix.size();
    EXPECT_EQ(one, draw_fim(kProse, 1.0, 1, document)->prefix.size());
    same_seed += one == draw_fim(kProse, 1.0, 2, document)->prefix.size();
    same_document += one == draw_fim(kProse, 1.0, 1, document + 1)->prefix.size();
  }
  EXPECT_LT(same_seed, 30);
  EXPECT_LT(same_document, 30);
}

class SplitterTest : public ::testing::Test {
 protected:
  i32 id(const std::string& bytes) const {
    for (i32 i = 0; i < static_cast<i32>(tokenizer_.vocab_size()); ++i) {
      if (tokenizer_.token_bytes(i) == bytes) return i;
    }
    return -1;
  }
  std::vector<i32> ids(const std::vector<std::string>& tokens) const {
    std::vector<i32> result;
    for (const std::string& token : tokens) result.push_back(id(token));
    return result;
  }
  std::vector<i32> parts(const std::string& token) const {
    const auto span = splitter_.parts(id(token));
    return {span.begin(), span.end()};
  }

  tokenizer::Tokenizer tokenizer_ = make_test_tokenizer({{"\xAC", "\n"}, {"\t", "\n"}});
  TokenSplitter splitter_{tokenizer_};
};

TEST_F(SplitterTest, FindsTokensThatJoinPunctuationAndLineBreaks) {
  EXPECT_EQ(parts(".\n"), ids({".", "\n"}));
  EXPECT_EQ(parts(".\n\n"), ids({".", "\n\n"}));
  EXPECT_EQ(parts(").\n"), ids({").", "\n"}));
  EXPECT_EQ(parts(";\n"), ids({";", "\n"}));
  EXPECT_EQ(parts("\xAC\n"), ids({"\xAC", "\n"}));  // the end of a character and a line break
  EXPECT_TRUE(parts("\n\n").empty());
  EXPECT_TRUE(parts("\t\n").empty());
  EXPECT_TRUE(parts("he").empty());
  EXPECT_TRUE(parts("\n").empty());
  EXPECT_EQ(splitter_.num_splittable(), 5);
  EXPECT_TRUE(splitter_.parts(-1).empty());
  EXPECT_TRUE(splitter_.parts(1'000'000).empty());
}

TEST_F(SplitterTest, SplitsAtTheRateAndKeepsTheBytes) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "a).\nb.\n\nc;\n\td \n";
  const auto original = tokenizer_.encode(text);
  i64 candidates = 0;
  for (const i32 token : original) candidates += !splitter_.parts(token).empty();
  ASSERT_EQ(candidates, 15'000);
  for (const double rate : {0.0, 0.25, 1.0}) {
    auto tokens = original;
    const i64 split = splitter_.apply(tokens, rate, 5, 77);
    EXPECT_NEAR(static_cast<double>(split), rate * 15'000,
                5 * std::sqrt(0.25 * 15'000) * (rate > 0 && rate < 1));
    EXPECT_EQ(std::ssize(tokens), std::ssize(original) + split);
    EXPECT_EQ(tokenizer_.decode(tokens), text);
    i64 left = 0;
    for (const i32 token : tokens) left += !splitter_.parts(token).empty();
    EXPECT_EQ(left, candidates - split);
  }
}

TEST_F(SplitterTest, DrawsDifferBetweenDocumentsAndSeeds) {
  const std::vector<i32> original(1000, id(".\n"));
  auto one = original, again = original, other_document = original, other_seed = original;
  splitter_.apply(one, 0.5, 1, 1);
  splitter_.apply(again, 0.5, 1, 1);
  splitter_.apply(other_document, 0.5, 1, 2);
  splitter_.apply(other_seed, 0.5, 2, 1);
  EXPECT_EQ(one, again);
  EXPECT_NE(one, other_document);
  EXPECT_NE(one, other_seed);
}

class EncoderTest : public ::testing::Test {
 protected:
  EncodedDocument encode(std::string bytes, const EncodeConfig& config, bool is_json = false,
                         u64 number = 0) const {
    return DocumentEncoder(tokenizer_, config)
        .encode({.bytes = std::move(bytes), .is_json = is_json}, number);
  }

  tokenizer::Tokenizer tokenizer_ = make_test_tokenizer();
  MarkerIds markers_ = value_or_throw(find_marker_ids(DataConfig{}, tokenizer_));
  EncodeConfig plain_ = {.markers = markers_, .text_field = "text"};
};

TEST_F(EncoderTest, DocumentsStandBetweenBosAndEos) {
  const auto document = encode("the end", plain_);
  std::vector<i32> expected = {markers_.bos};
  tokenizer_.encode_to("the end", {}, expected);
  expected.push_back(markers_.eos);
  EXPECT_EQ(document.ids, expected);
  EXPECT_EQ(document.text_bytes, 7);
  EXPECT_FALSE(document.is_fim);
  EXPECT_FALSE(document.problem);

  EncodeConfig config = plain_;
  config.markers.bos = -1;
  EXPECT_EQ(encode("the end", config).ids, std::vector(expected.begin() + 1, expected.end()));
  config.markers = {.bos = markers_.bos};
  EXPECT_EQ(encode("the end", config).ids, std::vector(expected.begin(), expected.end() - 1));
}

TEST_F(EncoderTest, TextOfControlTokensStaysText) {
  const std::string text = "a<｜end▁of▁sentence｜>b<｜User｜><｜fim▁hole｜>";
  const auto document = encode(text, plain_);
  for (size_t i = 1; i + 1 < document.ids.size(); ++i) {
    EXPECT_FALSE(tokenizer_.is_control(document.ids[i]));
  }
  EXPECT_EQ(tokenizer_.decode(document.ids, tokenizer::SpecialTokens::kSkip), text);
}

TEST_F(EncoderTest, FimDocumentsHaveTheFormOfV3AndDecodeBack) {
  EncodeConfig config = plain_;
  config.fim_rate = 1.0;
  for (u64 number = 0; number < 100; ++number) {
    const auto document = encode(kProse, config, false, number);
    EXPECT_TRUE(document.is_fim);
    const auto find = [&](i32 id) {
      EXPECT_EQ(std::ranges::count(document.ids, id), 1);
      return std::ranges::find(document.ids, id);
    };
    const auto begin = find(markers_.fim_begin), hole = find(markers_.fim_hole),
               end = find(markers_.fim_end);
    ASSERT_TRUE(begin == document.ids.begin() + 1 && begin < hole && hole < end);
    EXPECT_EQ(document.ids.front(), markers_.bos);
    EXPECT_EQ(document.ids.back(), markers_.eos);
    const auto text = [&](auto from, auto to) {
      return tokenizer_.decode(std::vector<i32>(from, to));
    };
    EXPECT_EQ(text(begin + 1, hole) + text(end + 1, document.ids.end() - 1) + text(hole + 1, end),
              kProse);
    EXPECT_EQ(document.text_bytes, std::ssize(kProse));
  }
}

TEST_F(EncoderTest, SplitsAreCounted) {
  EncodeConfig config = plain_;
  config.split_rate = 1.0;
  const auto whole = encode("a.\nb).\nc", plain_), split = encode("a.\nb).\nc", config);
  EXPECT_EQ(split.split_tokens, 2);
  EXPECT_EQ(split.ids.size(), whole.ids.size() + 2);
  EXPECT_EQ(tokenizer_.decode(split.ids), tokenizer_.decode(whole.ids));
}

TEST_F(EncoderTest, JsonLinesGiveTheirText) {
  EXPECT_EQ(encode(R"({"id": 1, "text": "the \u20ac"})", plain_, true).ids,
            encode("the \u20AC", plain_).ids);
  EncodeConfig config = plain_;
  config.text_field = "content";
  EXPECT_EQ(encode(R"({"text": 1, "content": "the"})", config, true).ids,
            encode("the", plain_).ids);
}

TEST_F(EncoderTest, BrokenLinesSayWhatIsWrong) {
  const auto problem = [&](std::string line) {
    const auto document = encode(std::move(line), plain_, true);
    EXPECT_TRUE(document.ids.empty());
    EXPECT_FALSE(document.is_repaired);
    return document.problem.value_or("none");
  };
  EXPECT_THAT(problem("{\"text\": \"a\""), StartsWith(":13: "));
  EXPECT_THAT(problem("{\"text\": 1}"), HasSubstr("`text`: expected a string, found the number 1"));
  EXPECT_THAT(problem("{\"txt\": \"a\"}"), HasSubstr("no member `text`"));
  EXPECT_THAT(problem("[\"text\"]"), HasSubstr("expected an object, found an array"));
  EXPECT_THAT(problem("plain words"), StartsWith(":1: "));
  EXPECT_THAT(problem("{\"text\": \"a\"}\0{\"text\": \"b\"}"s), StartsWith(":14: "));
  EXPECT_THAT(problem("{\"text\": \"a\"} {}"), StartsWith(":15: "));
}

TEST_F(EncoderTest, DamageInTheTextIsRepairedAsInATextFile) {
  const auto plain = encode("a \xff", plain_),
             bytes = encode("{\"text\": \"a \xff\"}", plain_, true);
  EXPECT_EQ(bytes.ids, plain.ids);
  EXPECT_TRUE(bytes.is_repaired);
  EXPECT_THAT(bytes.problem.value_or(""), HasSubstr("byte 3 is not UTF-8"));
  const auto half = encode(R"({"text": "a \ud83d", "meta": {"a": 1, "a": NaN}})", plain_, true);
  EXPECT_EQ(half.ids, plain.ids);
  EXPECT_TRUE(half.is_repaired);
  EXPECT_EQ(half.problem.value_or(""), ":13: \\ud83d is half a character; repaired");
}

TEST_F(EncoderTest, BlankDocumentsAreEmptyNotBroken) {
  for (const bool is_json : {false, true}) {
    for (const std::string text : {"", " \r\n\t", "\n"}) {
      const auto document = encode(text, plain_, is_json);
      EXPECT_TRUE(document.ids.empty());
      EXPECT_FALSE(document.problem);
    }
  }
  const auto document = encode(R"({"text": " \n"})", plain_, true);
  EXPECT_TRUE(document.ids.empty());
  EXPECT_FALSE(document.problem);
}

TEST_F(EncoderTest, InvalidUtf8IsKeptAndReported) {
  const auto document = encode("one\ntwo \xff three", plain_);
  EXPECT_TRUE(document.is_repaired);
  EXPECT_THAT(document.problem.value_or(""), HasSubstr("byte 9 is not UTF-8 (in line 2"));
  EXPECT_EQ(tokenizer_.decode(document.ids, tokenizer::SpecialTokens::kSkip),
            "one\ntwo \uFFFD three");
  EXPECT_EQ(document.text_bytes, 17);
}

TEST_F(EncoderTest, MissingTokensAreAllNamed) {
  DataConfig config;
  config.bos_token = "<s>";
  config.eos_token = "";
  auto markers = find_marker_ids(config, tokenizer_);
  ASSERT_FALSE(markers);
  EXPECT_THAT(markers.error().message(),
              HasSubstr("data.bos_token: the tokenizer has no token `<s>`"));
  config.bos_token = "<｜User｜>";
  markers = find_marker_ids(config, tokenizer_);
  ASSERT_TRUE(markers);
  EXPECT_EQ(markers->eos, -1);
  EXPECT_GE(markers->fim_hole, 0);
  config.fim_rate = 0;
  EXPECT_EQ(find_marker_ids(config, tokenizer_)->fim_hole, -1);
}

}  // namespace
}  // namespace fathom::data
