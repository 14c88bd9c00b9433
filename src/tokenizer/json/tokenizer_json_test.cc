// Hostile and unsupported tokenizer.json files: each gets one error that names the place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tokenizer/test_files.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// What loading `json` answers.
std::string verdict(const std::string& json) {
  Result<TokenizerSpec> spec = parse_tokenizer_json(json, "t.json");
  if (!spec) return spec.error().message();
  const Result<Tokenizer> tokenizer = Tokenizer::from_spec(std::move(*spec), "t.json");
  return tokenizer ? "loaded" : tokenizer.error().message();
}

/// The golden file with one member of the root, or of "model", replaced by JSON text.
std::string with_member(const std::string& key, const std::string& value_json) {
  io::JsonValue root = test_files::read_golden_json("tokenizer.json");
  const io::JsonValue value = value_or_throw(io::parse_json(value_json, "test"));
  if (key.starts_with("model.")) {
    io::JsonValue model = *root.find("model");
    model.as_object().set(key.substr(6), value);
    root.as_object().set("model", model);
  } else {
    root.as_object().set(key, value);
  }
  return io::write_json(root);
}

/// The golden file with `find` replaced by `replacement` once.
std::string with_text(const std::string& find, const std::string& replacement) {
  std::string json = test_files::read_file("tokenizer.json");
  const size_t at = json.find(find);
  if (at == std::string::npos) throw Error(ErrorCode::kNotFound, find);
  return json.replace(at, find.size(), replacement);
}

TEST(TokenizerJson, TheGoldenFileLoads) {
  EXPECT_EQ(verdict(test_files::read_file("tokenizer.json")), "loaded");
}

TEST(TokenizerJson, BrokenFilesAreRefused) {
  const std::string whole = test_files::read_file("tokenizer.json");
  EXPECT_THAT(verdict(""), StartsWith("t.json"));
  EXPECT_THAT(verdict("[]"), HasSubstr("t.json: expected an object, found an array"));
  EXPECT_THAT(verdict("{}"), HasSubstr("t.json: model: expected an object"));
  EXPECT_THAT(verdict(whole.substr(0, whole.size() / 2)), StartsWith("t.json"));
  EXPECT_THAT(verdict(std::string(1'000'000, '[')), StartsWith("t.json"));
  for (size_t size = 1; size < whole.size(); size += 997) {
    EXPECT_NE(verdict(whole.substr(0, size)), "loaded") << size;
  }
}

TEST(TokenizerJson, OtherKindsOfTokenizersAreRefusedByName) {
  EXPECT_THAT(verdict(with_member("model.type", "\"Unigram\"")),
              HasSubstr("model: type: expected \"BPE\", found a string \"Unigram\""));
  EXPECT_THAT(verdict(with_member("model.dropout", "0.1")), HasSubstr("model: dropout: "));
  EXPECT_EQ(verdict(with_member("model.dropout", "0.0")), "loaded");
  EXPECT_THAT(verdict(with_member("model.end_of_word_suffix", "\"</w>\"")),
              HasSubstr("end_of_word_suffix: a string \"</w>\" is not supported"));
  EXPECT_THAT(verdict(with_member("model.ignore_merges", "1")),
              HasSubstr("model: ignore_merges: expected true or false"));
  EXPECT_THAT(verdict(with_member("normalizer", R"({"type":"NFKC"})")),
              HasSubstr("normalizer: type a string \"NFKC\" is not supported"));
  EXPECT_THAT(verdict(with_member("normalizer", R"({"type":"Sequence","normalizers":[
                                                   {"type":"NFC"},{"type":"Lowercase"}]})")),
              HasSubstr("normalizer: type a string \"Lowercase\" is not supported"));
  EXPECT_THAT(verdict(with_member("normalizer", "[]")),
              HasSubstr("normalizer: expected an object"));
  EXPECT_EQ(verdict(with_member("normalizer", "null")), "loaded");
  EXPECT_THAT(verdict(with_member("pre_tokenizer", "null")),
              HasSubstr("pre_tokenizer: there is none"));
  EXPECT_THAT(verdict(with_member("decoder", R"({"type":"Metaspace"})")),
              HasSubstr("decoder: expected type \"ByteLevel\""));
  EXPECT_THAT(verdict(with_member("decoder", "null")), HasSubstr("decoder: expected"));
  EXPECT_THAT(verdict(with_member("post_processor", R"({"type":"BertProcessing"})")),
              HasSubstr("post_processor: type a string \"BertProcessing\""));
}

TEST(TokenizerJson, TemplatesMustBePrefixTextSuffix) {
  const auto processor = [](const std::string& single) {
    return with_member("post_processor", R"({"type":"TemplateProcessing","single":)" + single +
                                             R"(,"special_tokens":{"b":{"id":"b","ids":[0]},)"
                                             R"("far":{"ids":[99999]},"bad":{"ids":[-1]}}})");
  };
  const std::string a = R"({"Sequence":{"id":"A","type_id":0}})";
  const auto token = [](const std::string& name) {
    return R"({"SpecialToken":{"id":")" + name + R"(","type_id":0}})";
  };
  EXPECT_EQ(verdict(processor("[" + token("b") + "," + a + "," + token("b") + "]")), "loaded");
  EXPECT_THAT(verdict(processor("[" + a + "," + a + "]")),
              HasSubstr("expected the sequence A once"));
  EXPECT_THAT(verdict(processor("[]")), HasSubstr("the sequence A is missing"));
  EXPECT_THAT(verdict(processor("[" + token("c") + "," + a + "]")), HasSubstr("no ids for \"c\""));
  EXPECT_THAT(verdict(processor("[" + token("bad") + "," + a + "]")), HasSubstr("expected an id"));
  EXPECT_THAT(verdict(processor("[" + token("far") + "," + a + "]")),
              HasSubstr("post_processor: id 99999 is outside the vocabulary"));
}

TEST(TokenizerJson, VocabularyIdsMustBeWholeAndUnique) {
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":4,")), HasSubstr("have the same id 4"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":1200,")),
              HasSubstr("\"!\": expected an id below 1200"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":-1,")), HasSubstr("expected an id below"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":3.5,")), HasSubstr("expected an id below"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":99999999999999999999,")), StartsWith("t.json"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"!\":\"3\",")), HasSubstr("expected an id below"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"\":3,")), HasSubstr("a token without text"));
  EXPECT_THAT(verdict(with_text("\"!\":3,", "")), StartsWith("t.json"));  // a gap
  EXPECT_THAT(verdict(with_text("\"!\":3,", "\"" + std::string(70'000, 'x') + "\":3,")),
              HasSubstr("a token of 70000 bytes"));
  EXPECT_THAT(verdict(with_member("model.vocab", "[]")), HasSubstr("vocab: expected an object"));
}

/// The golden tokenizer without a token for "!", which no merge uses.
Tokenizer without_exclamation_mark(const std::string& unk_token, bool fuse_unk = false) {
  std::string json = with_text("\"!\":3,", "\"!!!!!\":3,");
  const std::string unk = "\"unk_token\":null", fuse = "\"fuse_unk\":false";
  json.replace(json.find(unk), unk.size(), "\"unk_token\":" + unk_token);
  if (fuse_unk) json.replace(json.find(fuse), fuse.size(), "\"fuse_unk\":true");
  return value_or_throw(
      Tokenizer::from_spec(value_or_throw(parse_tokenizer_json(json, "t.json")), "t.json"));
}

// Ids of Hugging Face tokenizers 0.23.3 for the same files.
TEST(TokenizerJson, AByteWithoutTokenIsTheUnknownToken) {
  const Tokenizer tokenizer = without_exclamation_mark("\"a\"");
  EXPECT_THAT(tokenizer.encode("a!!b !c"), ElementsAre(67, 67, 67, 68, 269, 69));
  EXPECT_THAT(tokenizer.encode("!"), ElementsAre(67));
  EXPECT_THAT(tokenizer.encode("see! sea"), ElementsAre(265, 71, 67, 774, 67));
  EXPECT_THAT(tokenizer.encode(" !!!  x"), ElementsAre(269, 67, 67, 223, 515));
}

TEST(TokenizerJson, NeighbouringUnknownBytesMayShareOneToken) {
  const Tokenizer tokenizer = without_exclamation_mark("\"a\"", true);
  EXPECT_THAT(tokenizer.encode("a!!b !c"), ElementsAre(67, 67, 68, 269, 69));
  EXPECT_THAT(tokenizer.encode(" !!!  x"), ElementsAre(269, 223, 515));
  const Tokenizer again = value_or_throw(Tokenizer::from_spec(
      value_or_throw(parse_tokenizer_json(write_tokenizer_json(tokenizer.spec()), "again")),
      "again"));
  EXPECT_THAT(again.encode(" !!!  x"), ElementsAre(269, 223, 515));
}

TEST(TokenizerJson, WithoutUnknownTokenTheByteAndItsPlaceAreNamed) {
  const Tokenizer tokenizer = without_exclamation_mark("null");
  EXPECT_THAT(tokenizer.encode("see sea"), ElementsAre(265, 71, 774, 67));
  try {
    tokenizer.encode("see sea! se");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidInput);
    EXPECT_THAT(error.message(), StartsWith("byte 0x21 at position 7 of the text has no token"));
  }
}

TEST(TokenizerJson, TheUnknownTokenIsText) {
  EXPECT_THAT(verdict(with_member("model.unk_token", "5")),
              HasSubstr("model: unk_token: expected text or null, found the number 5"));
  EXPECT_EQ(verdict(with_member("model.unk_token", "\"no such token\"")), "loaded");
}

TEST(TokenizerJson, MergesMustBeOfKnownTokens) {
  EXPECT_EQ(verdict(with_member("model.merges", R"([["s","e"]])")), "loaded");
  EXPECT_THAT(verdict(with_member("model.merges", R"(["s e","nope x"])")),
              HasSubstr("merges[1]: \"nope\" is not in model.vocab"));
  EXPECT_THAT(verdict(with_member("model.merges", R"(["Z Z"])")),
              HasSubstr("merges[0]: \"Z\" + \"Z\" is not in model.vocab"));
  for (const char* merge :
       {"\"se\"", "\"a b c\"", "5", R"(["a"])", R"(["a",5])", R"(["a","b","c"])"}) {
    EXPECT_THAT(verdict(with_member("model.merges", "[" + std::string(merge) + "]")),
                HasSubstr("merges[0]: expected \"LEFT RIGHT\""))
        << merge;
  }
  EXPECT_THAT(verdict(with_member("model.merges", "{}")), HasSubstr("merges: expected an array"));
}

TEST(TokenizerJson, AddedTokensMustAgreeWithTheVocabulary) {
  const auto added = [](const std::string& tokens) { return with_member("added_tokens", tokens); };
  EXPECT_EQ(verdict(added("[]")), "loaded");
  EXPECT_EQ(verdict(added(R"([{"id":1200,"content":"<x>"}])")), "loaded");
  EXPECT_THAT(verdict(added(R"([{"id":1300,"content":"<x>"}])")),
              HasSubstr("added token \"<x>\": has id 1300, expected 1200"));
  EXPECT_THAT(verdict(added(R"([{"id":5,"content":"<x>"}])")),
              HasSubstr("has id 5, expected 1200"));
  EXPECT_THAT(verdict(added(R"([{"id":1200,"content":"self"}])")),
              HasSubstr("has id 1200, expected"));
  EXPECT_THAT(verdict(added(R"([{"id":1200,"content":"<x>"},{"id":1200,"content":"<x>"}])")),
              HasSubstr("is listed twice"));
  EXPECT_THAT(verdict(added(R"([{"id":1200,"content":""}])")),
              HasSubstr("expected 1 to 1024 bytes"));
  EXPECT_THAT(verdict(added(R"([{"id":1200,"content":")" + std::string(2000, 'x') + "\"}]")),
              HasSubstr("expected 1 to 1024 bytes"));
  EXPECT_THAT(verdict(added(R"([{"id":-1,"content":"<x>"}])")),
              HasSubstr("added_tokens[0]: id: -1 is outside"));
  EXPECT_THAT(verdict(added(R"([{"id":9999999999,"content":"<x>"}])")), HasSubstr("is outside"));
  EXPECT_THAT(verdict(added(R"([{"content":"<x>"}])")), HasSubstr("added_tokens[0]: id"));
  EXPECT_THAT(verdict(added(R"([{"id":1200}])")), HasSubstr("added_tokens[0]: content"));
  EXPECT_THAT(verdict(added(R"([{"id":1200,"content":"<x>","lstrip":"yes"}])")),
              HasSubstr("lstrip: expected true or false"));
  EXPECT_THAT(verdict(added(R"(["<x>"])")), HasSubstr("added_tokens[0]"));
  EXPECT_THAT(verdict(added(R"([{"id":3,"content":"!","special":true}])")),
              HasSubstr("both a special token and the token of byte 0x21"));
}

TEST(TokenizerSpec, BadSpecsAreRefusedToo) {
  const TokenizerSpec good = test_files::golden_tokenizer().spec();
  const auto spec_verdict = [](TokenizerSpec spec) {
    const Result<Tokenizer> tokenizer = Tokenizer::from_spec(std::move(spec), "spec");
    return tokenizer ? "loaded" : tokenizer.error().message();
  };
  TokenizerSpec twice = good;
  twice.vocab.push_back(twice.vocab.front());
  EXPECT_THAT(spec_verdict(twice), HasSubstr("has two ids, 0 and 1200"));
  TokenizerSpec invalid = good;
  invalid.vocab[700] = "\xFF";
  EXPECT_THAT(spec_verdict(invalid), HasSubstr("token 700 is empty or not valid UTF-8"));
  TokenizerSpec far = good;
  far.merges.push_back({.left = 5, .right = 1 << 20});
  EXPECT_THAT(spec_verdict(far), HasSubstr("id 1048576 is outside the vocabulary"));
  EXPECT_THAT(spec_verdict({}), HasSubstr("no byte has a token"));
}

}  // namespace
}  // namespace fathom::tokenizer
