#include "tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/json.h"
#include "tokenizer/test_files.h"
#include "tokenizer/test_random_text.h"

namespace fathom::tokenizer {
namespace {

using ::testing::HasSubstr;
using Pieces = std::vector<std::string>;

Pieces pieces(const PreTokenizer& pre_tokenizer, std::string_view text) {
  Pieces result;
  pre_tokenizer.split(text, [&](std::string_view piece) { result.emplace_back(piece); });
  return result;
}

std::string refusal(const std::string& json) {
  const auto value = value_or_throw(io::parse_json(json, "test"));
  const Result<PreTokenizer> result = PreTokenizer::from_json(value, "t.json");
  return result ? "accepted" : result.error().message();
}

PreTokenizer parse(const std::string& json) {
  return value_or_throw(
      PreTokenizer::from_json(value_or_throw(io::parse_json(json, "test")), "test"));
}

TEST(PreTokenizer, EveryBehaviorAgreesWithHuggingFace) {
  size_t num_texts = 0;
  for (const io::JsonValue& group : test_files::read_json_lines("pieces.jsonl")) {
    const auto pre_tokenizer =
        value_or_throw(PreTokenizer::from_json(*group.find("pre_tokenizer"), "pieces.jsonl"));
    const io::JsonArray& texts = group.find("texts")->as_array();
    for (size_t i = 0; i < texts.size(); ++i) {
      Pieces want;
      for (const auto& piece : group.find("pieces")->as_array()[i].as_array()) {
        want.push_back(piece.as_string());
      }
      EXPECT_EQ(pieces(pre_tokenizer, texts[i].as_string()), want)
          << io::write_json(*group.find("pre_tokenizer")) << "\nin \"" << texts[i].as_string()
          << '"';
      ++num_texts;
    }
  }
  EXPECT_GE(num_texts, 100u);
}

TEST(PreTokenizer, DeepSeekV3) {
  const PreTokenizer v3 = PreTokenizer::deepseek_v3();
  EXPECT_EQ(pieces(v3, "In 2024, 深度学习 wins"),
            (Pieces{"In", " ", "202", "4", ",", " ", "深度学习", " wins"}));
  EXPECT_EQ(pieces(v3, "カタ・カナ"), (Pieces{"カタ", "・", "カナ"}));
  EXPECT_EQ(pieces(v3, ""), Pieces{});
}

TEST(PreTokenizer, IsolatedPiecesConcatenateToTheText) {
  const PreTokenizer v3 = PreTokenizer::deepseek_v3();
  RandomText random(3);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.text(80);
    std::string joined;
    v3.split(text, [&](std::string_view piece) {
      EXPECT_FALSE(piece.empty());
      joined += piece;
    });
    ASSERT_EQ(joined, text);
  }
}

TEST(PreTokenizer, PrefixSpaceGoesBeforeEveryPieceThatLacksOne) {
  const PreTokenizer gpt2 =
      parse(R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true})");
  EXPECT_EQ(pieces(gpt2, "a b's"), (Pieces{" a", " b", "'s"}));
  EXPECT_EQ(pieces(gpt2, " a"), (Pieces{" a"}));
}

TEST(PreTokenizer, JsonIsKeptAsRead) {
  const std::string json =
      R"({"type":"Sequence","pretokenizers":[{"type":"Digits",)"
      R"("individual_digits":true},{"type":"ByteLevel","add_prefix_space":false}]})";
  EXPECT_EQ(io::write_json(parse(json).json()),
            io::write_json(value_or_throw(io::parse_json(json, "test"))));
}

TEST(PreTokenizer, UnsupportedIsRefusedByName) {
  const auto sequence = [](const std::string& stages) {
    return R"({"type":"Sequence","pretokenizers":[)" + stages + "]}";
  };
  const std::string byte_level = R"({"type":"ByteLevel","add_prefix_space":false})";
  EXPECT_THAT(refusal(R"({"type":"Metaspace","replacement":"_"})"),
              HasSubstr("t.json: pre_tokenizer: type \"Metaspace\" here is not supported"));
  EXPECT_THAT(refusal(sequence("")), HasSubstr("there is no ByteLevel stage"));
  EXPECT_THAT(refusal(sequence(byte_level + "," + byte_level)),
              HasSubstr("a stage after ByteLevel"));
  EXPECT_THAT(refusal(sequence(sequence(byte_level))), HasSubstr("type \"Sequence\" here"));
  EXPECT_THAT(refusal("[]"), HasSubstr("pre_tokenizer"));
  EXPECT_THAT(refusal(R"({"type":5})"), HasSubstr("pre_tokenizer: type: expected a string, found"));
  const auto split = [&](const std::string& pattern, const std::string& behavior) {
    return sequence(R"({"type":"Split","invert":false,"pattern":)" + pattern + R"(,"behavior":")" +
                    behavior + R"("},)" + byte_level);
  };
  EXPECT_EQ(refusal(split(R"({"Regex":"a"})", "Isolated")), "accepted");
  EXPECT_THAT(refusal(split(R"({"Regex":"a"})", "Odd")), HasSubstr("behavior \"Odd\""));
  EXPECT_THAT(refusal(split(R"({"Regex":"\\w"})", "Isolated")), HasSubstr("pattern: this escape"));
  EXPECT_THAT(refusal(split(R"({"Regex":"a*"})", "Isolated")), HasSubstr("can match nothing"));
  EXPECT_THAT(refusal(split(R"({"String":""})", "Isolated")), HasSubstr("the String is empty"));
  EXPECT_THAT(refusal(split(R"("a")", "Isolated")), HasSubstr("pattern: expected an object"));
  std::string many;
  for (int i = 0; i < 40; ++i) many += R"({"type":"Digits","individual_digits":true},)";
  EXPECT_THAT(refusal(sequence(many + byte_level)), HasSubstr("more than 32 stages"));
}

}  // namespace
}  // namespace fathom::tokenizer
