#include "tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "tokenizer/stream_decoder.h"
#include "tokenizer/test_files.h"
#include "tokenizer/test_random_text.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

using test_files::golden_tokenizer;
using test_files::ids_of;
using test_files::read_json_lines;
using test_files::text_of;
using Ids = std::vector<i32>;

constexpr EncodeOptions kPlain = {.text = TextKind::kPlain};

TEST(TokenizerGolden, EveryVariantEncodesAsHuggingFace) {
  const std::vector<io::JsonValue> cases = read_json_lines("cases.jsonl");
  for (const auto& [variant, min_cases] :
       {std::pair("v3", 200), {"v2", 50}, {"llama3", 50}, {"gpt2", 50}, {"flags", 15}}) {
    const Tokenizer tokenizer = golden_tokenizer(variant);
    const EncodeOptions options = {.add_special_tokens = variant == std::string("llama3")};
    int num_cases = 0;
    for (const io::JsonValue& golden : cases) {
      const io::JsonValue* const want = golden.find("ids")->find(variant);
      if (want == nullptr) continue;
      const std::string text = text_of(golden);
      EXPECT_EQ(tokenizer.encode(text, options), ids_of(*want)) << variant << ": \"" << text << '"';
      ++num_cases;
    }
    EXPECT_GE(num_cases, min_cases) << variant;
  }
}

// The normalisers, pre-tokenizers and added tokens of files from elsewhere.
TEST(TokenizerGolden, EncodesTheWildsShapesAsHuggingFace) {
  const auto cases = read_json_lines("wild_cases.jsonl");
  ASSERT_GE(cases.size(), 180u);
  for (const auto& [variant, unused] : cases[0].find("ids")->as_object()) {
    const Tokenizer tokenizer = golden_tokenizer(variant);
    const Tokenizer saved = test_files::tokenizer_of(write_tokenizer_json(tokenizer.spec()));
    for (const io::JsonValue& golden : cases) {
      const std::string& text = golden.find("text")->as_string();
      const Ids want = ids_of(*golden.find("ids")->find(variant));
      EXPECT_EQ(tokenizer.encode(text), want) << variant << ": \"" << text << '"';
      EXPECT_EQ(saved.encode(text), want) << variant << ", saved: \"" << text << '"';
    }
  }
}

TEST(TokenizerGolden, DecodesAsHuggingFace) {
  const Tokenizer tokenizer = golden_tokenizer();
  for (const io::JsonValue& golden : read_json_lines("decode.jsonl")) {
    const Ids ids = ids_of(*golden.find("ids"));
    EXPECT_EQ(tokenizer.decode(ids), golden.find("text")->as_string());
    EXPECT_EQ(tokenizer.decode(ids, SpecialTokens::kSkip),
              golden.find("skip_special")->as_string());
  }
}

TEST(Tokenizer, DecodingAnEncodedTextGivesItBack) {
  const Tokenizer tokenizer = golden_tokenizer();
  RandomText random(11);
  for (int i = 0; i < 3000; ++i) {
    const std::string text = random.text(60);
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(text, kPlain)), text);
  }
}

TEST(Tokenizer, InvalidUtf8EncodesAsItsRepair) {
  const Tokenizer tokenizer = golden_tokenizer();
  RandomText random(12);
  for (int i = 0; i < 1000; ++i) {
    const std::string bytes = random.bytes(20);
    std::string storage;
    ASSERT_EQ(tokenizer.encode(bytes), tokenizer.encode(valid_utf8(bytes, storage)));
  }
}

TEST(Tokenizer, PlainTextNeverBecomesAControlToken) {
  for (const char* variant : {"v3", "llama3", "flags"}) {
    const Tokenizer tokenizer = golden_tokenizer(variant);
    std::string all;
    for (const AddedToken& token : tokenizer.spec().added_tokens) {
      all += token.content + " " + token.content;
    }
    for (const i32 id : tokenizer.encode(all, kPlain)) {
      EXPECT_FALSE(tokenizer.is_control(id)) << variant << ": " << tokenizer.token_spelling(id);
    }
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(all, kPlain)), all);
    EXPECT_GT(tokenizer.encode(all, kPlain).size(), tokenizer.encode(all).size());
  }
}

TEST(Tokenizer, ControlMeansSpecialOrLongerThanACharacter) {
  const Tokenizer v3 = golden_tokenizer();
  EXPECT_TRUE(v3.is_control(*v3.token_to_id("<｜User｜>")));
  EXPECT_FALSE(v3.is_special(*v3.token_to_id("<｜User｜>")));
  EXPECT_TRUE(v3.is_special(*v3.token_to_id("<|EOT|>")));
  EXPECT_FALSE(v3.is_control(*v3.token_to_id("Ġself")));
  // DeepSeek-V2 lists some single characters as added tokens: they are text.
  const Tokenizer flags = golden_tokenizer("flags");
  const i32 letter = *flags.token_to_id("Ω");
  EXPECT_FALSE(flags.is_control(letter));
  EXPECT_EQ(flags.encode("Ω", kPlain), Ids{letter});
}

// A file may let merges arrive at a special token; text must still not.
TEST(Tokenizer, PlainTextCannotBeMergedIntoASpecialToken) {
  TokenizerSpec spec = golden_tokenizer().spec();
  const auto id_of = [&](std::string_view spelling) {
    return static_cast<i32>(std::find(spec.vocab.begin(), spec.vocab.end(), spelling) -
                            spec.vocab.begin());
  };
  const i32 self = id_of("self");
  ASSERT_LT(self, static_cast<i32>(spec.vocab.size()));
  spec.added_tokens.insert(spec.added_tokens.begin(),
                           {.id = self, .content = "self", .special = true});
  for (const bool ignore_merges : {false, true}) {
    spec.ignore_merges = ignore_merges;
    const Tokenizer tokenizer = value_or_throw(Tokenizer::from_spec(spec, "test"));
    EXPECT_EQ(tokenizer.encode("self"), Ids{self});
    const Ids plain = tokenizer.encode("self", kPlain);
    EXPECT_GT(plain.size(), 1u);
    EXPECT_EQ(std::count(plain.begin(), plain.end(), self), 0);
    EXPECT_EQ(tokenizer.decode(plain), "self");
  }
}

TEST(Tokenizer, TheTemplateAddsItsTokensOnlyWhenAsked) {
  const Tokenizer tokenizer = golden_tokenizer("llama3");
  EXPECT_EQ(tokenizer.encode("", {.add_special_tokens = true}), Ids{0});
  EXPECT_EQ(tokenizer.encode(""), Ids{});
}

TEST(Tokenizer, LooksUpTokensBothWays) {
  const Tokenizer tokenizer = golden_tokenizer();
  for (i32 id = 0; id < tokenizer.vocab_size(); ++id) {
    ASSERT_EQ(tokenizer.token_to_id(tokenizer.token_spelling(id)), id);
    ASSERT_FALSE(tokenizer.token_bytes(id).empty());
  }
  EXPECT_EQ(tokenizer.token_bytes(*tokenizer.token_to_id("Ġself")), " self");
  EXPECT_EQ(tokenizer.token_to_id("not a token"), std::nullopt);
  for (const i32 id : {-1, static_cast<i32>(tokenizer.vocab_size()), 1 << 30}) {
    EXPECT_EQ(tokenizer.token_bytes(id), "");
    EXPECT_EQ(tokenizer.token_spelling(id), "");
    EXPECT_FALSE(tokenizer.is_special(id));
    EXPECT_EQ(tokenizer.decode(Ids{id}), "");
  }
}

TEST(Tokenizer, SavedAndLoadedItAnswersTheSame) {
  const auto path = std::filesystem::path(::testing::TempDir()) / "fathom_saved_tokenizer.json";
  RandomText random(13);
  for (const char* variant : {"v3", "v2", "llama3", "gpt2", "flags"}) {
    const Tokenizer before = golden_tokenizer(variant);
    before.save(path.string());
    const Tokenizer after = value_or_throw(Tokenizer::load(path.string()));
    EXPECT_EQ(after.vocab_size(), before.vocab_size());
    for (int i = 0; i < 200; ++i) {
      const std::string text = random.text(40) + "<｜User｜> <left> self";
      const EncodeOptions options = {.add_special_tokens = true};
      ASSERT_EQ(after.encode(text, options), before.encode(text, options)) << variant;
    }
  }
  std::filesystem::remove(path);
}

TEST(Tokenizer, ThreadsShareOneTokenizer) {
  const Tokenizer tokenizer = golden_tokenizer();
  RandomText random(14);
  std::vector<std::string> texts;
  std::vector<Ids> want;
  for (int i = 0; i < 300; ++i) {
    texts.push_back(random.text(60));
    want.push_back(golden_tokenizer().encode(texts.back()));
    if (i >= 20) want.back() = tokenizer.encode(texts.back());
  }
  std::vector<int> num_wrong(4, 0);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < num_wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 3 * texts.size(); ++i) {
        const size_t at = (i * 7 + t) % texts.size();
        if (tokenizer.encode(texts[at]) != want[at]) ++num_wrong[t];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(num_wrong, std::vector<int>(4, 0));
}

TEST(Tokenizer, AMissingFileIsNotFound) {
  const Result<Tokenizer> tokenizer = Tokenizer::load("/no/such/tokenizer.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_EQ(tokenizer.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(tokenizer.error().message(), ::testing::HasSubstr("/no/such/tokenizer.json"));
}

TEST(StreamDecoder, PushesWholeCharactersThatAddUpToDecode) {
  const Tokenizer tokenizer = golden_tokenizer();
  RandomText random(15);
  for (int i = 0; i < 2000; ++i) {
    // Half the time real text, half the time any ids, whose bytes make no sense together.
    Ids ids = tokenizer.encode(random.text(30));
    if (i % 2 == 0) {
      for (i32& id : ids) id = static_cast<i32>(random.below(1210)) - 2;
    }
    for (const SpecialTokens special : {SpecialTokens::kKeep, SpecialTokens::kSkip}) {
      StreamDecoder decoder(tokenizer, special);
      std::string streamed;
      for (const i32 id : ids) {
        const std::string part(decoder.push(id));
        ASSERT_EQ(valid_utf8_prefix_bytes(part), part.size());
        streamed += part;
      }
      streamed += decoder.finish();
      ASSERT_EQ(streamed, tokenizer.decode(ids, special));
    }
  }
}

TEST(StreamDecoder, HoldsBackAnUnfinishedCharacter) {
  const Tokenizer tokenizer = golden_tokenizer();
  const auto byte_id = [&](const char* spelling) { return *tokenizer.token_to_id(spelling); };
  StreamDecoder decoder(tokenizer);
  EXPECT_EQ(decoder.push(byte_id("ð")), "");  // F0 9F 98 80: 😀
  EXPECT_EQ(decoder.push(byte_id("Ł")), "");
  EXPECT_EQ(decoder.push(byte_id("ĺ")), "");
  EXPECT_EQ(decoder.push(byte_id("Ģ")), "😀");
  EXPECT_EQ(decoder.push(byte_id("ð")), "");
  EXPECT_EQ(decoder.push(byte_id("a")), "\uFFFDa");
  EXPECT_EQ(decoder.push(byte_id("ð")), "");
  EXPECT_EQ(decoder.finish(), "\uFFFD");
  EXPECT_EQ(decoder.finish(), "");
}

}  // namespace
}  // namespace fathom::tokenizer
