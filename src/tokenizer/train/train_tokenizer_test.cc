#include "tokenizer/train/train_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/parallel.h"
#include "io/json.h"
#include "testing/temp_dir.h"

namespace fathom::tokenizer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kGolden = std::string(FATHOM_SOURCE_DIR) + "/tests/golden/bpe_trainer";

std::vector<std::string> spelled_merges(const Tokenizer& tokenizer) {
  std::vector<std::string> lines;
  for (const Merge& merge : tokenizer.spec().merges) {
    lines.push_back(std::string(tokenizer.token_spelling(merge.left)) + " " +
                    std::string(tokenizer.token_spelling(merge.right)));
  }
  return lines;
}

TrainedTokenizer train(const TrainOptions& options) {
  return value_or_throw(train_tokenizer(options));
}

/// merges.json holds what Hugging Face's BpeTrainer learned from text.txt.
TEST(TrainTokenizer, LearnsHuggingFacesMerges) {
  const io::JsonValue golden = value_or_throw(io::read_json(kGolden + "/merges.json"));
  const io::JsonObject& cases = golden.find("cases")->as_object();
  EXPECT_EQ(cases.size(), 3u);
  for (const auto& [name, want] : cases) {
    TrainOptions options{.paths = {kGolden + "/text.txt"}};
    options.vocab_size = want.find("vocab_size")->as_integer() + std::ssize(options.last_tokens);
    options.min_frequency = want.find("min_frequency")->as_integer();
    options.max_token_length = want.find("max_token_length")->as_integer();
    const TrainedTokenizer trained = train(options);
    std::vector<std::string> merges;
    for (const io::JsonValue& merge : want.find("merges")->as_array()) {
      merges.push_back(merge.as_string());
    }
    EXPECT_EQ(spelled_merges(trained.tokenizer), merges) << name;
    EXPECT_EQ(trained.report.num_tokens, want.find("num_tokens")->as_integer()) << name;
  }
}

TEST(TrainTokenizer, SpecialTokensStandAsInV3) {
  const TrainedTokenizer trained = train({.paths = {kGolden + "/text.txt"}, .vocab_size = 600});
  const Tokenizer& tokenizer = trained.tokenizer;
  EXPECT_EQ(tokenizer.vocab_size(), 600);
  EXPECT_EQ(tokenizer.token_to_id("<｜begin▁of▁sentence｜>"), 0);
  EXPECT_EQ(tokenizer.token_to_id("<｜end▁of▁sentence｜>"), 1);
  EXPECT_EQ(tokenizer.token_to_id("<｜▁pad▁｜>"), 2);
  // 128798 to 128814 in V3: the distance to the end of the vocabulary is the same.
  const i32 shift = 128'815 - 600;
  EXPECT_EQ(tokenizer.token_to_id("<think>"), 128'798 - shift);
  EXPECT_EQ(tokenizer.token_to_id("<｜fim▁begin｜>"), 128'801 - shift);
  EXPECT_EQ(tokenizer.token_to_id("<｜User｜>"), 128'803 - shift);
  EXPECT_EQ(tokenizer.token_to_id("<｜Assistant｜>"), 128'804 - shift);
  EXPECT_EQ(tokenizer.token_to_id("<｜tool▁sep｜>"), 599);
  EXPECT_TRUE(tokenizer.is_special(0));
  EXPECT_FALSE(tokenizer.is_special(599));
  EXPECT_THAT(tokenizer.encode("<｜User｜>", {.add_special_tokens = true}),
              ElementsAre(0, 128'803 - shift));
  EXPECT_EQ(trained.report.num_merges, 600 - 3 - 256 - 17);
}

TEST(TrainTokenizer, WritesFilesThatLoadToTheSameIds) {
  const testing::TempDir dir;
  const TrainedTokenizer trained = train({.paths = {kGolden + "/text.txt"}, .vocab_size = 700});
  const std::string out = (dir / "new/model").string();
  trained.save(out);
  const Tokenizer loaded = value_or_throw(Tokenizer::load(out + "/tokenizer.json"));
  const std::string text = "Alice was 12345 — 中文 🙂\n\n";
  EXPECT_EQ(loaded.encode(text), trained.tokenizer.encode(text));
  EXPECT_EQ(loaded.decode(loaded.encode(text)), text);
  const TokenizerConfig config = value_or_throw(load_tokenizer_config(out));
  EXPECT_EQ(config.tokenizer_class, "PreTrainedTokenizerFast");
  EXPECT_EQ(config.add_bos_token, true);
  EXPECT_EQ(config.add_eos_token, false);
  EXPECT_EQ(config.bos_token, "<｜begin▁of▁sentence｜>");
  EXPECT_EQ(config.eos_token, "<｜end▁of▁sentence｜>");
  EXPECT_EQ(config.pad_token, "<｜▁pad▁｜>");
  EXPECT_EQ(config.unk_token, std::nullopt);
  EXPECT_EQ(config.model_max_length, 131'072);
}

// A word of 300 KB, whose merges would double up to tokens that no loader takes.
TEST(TrainTokenizer, WhatALongWordTeachesCanBeReadBack) {
  const testing::TempDir dir;
  const std::string word(300'000, 'a');
  const auto path = dir.write("w.txt", word).string();
  const TrainedTokenizer trained = train({.paths = {path}, .vocab_size = 320});
  trained.save((dir / "t").string());
  const Tokenizer loaded = value_or_throw(Tokenizer::load_model((dir / "t").string()));
  size_t longest = 0;
  for (i32 id = 0; id < loaded.vocab_size(); ++id) {
    longest = std::max(longest, loaded.token_bytes(id).size());
  }
  EXPECT_EQ(longest, kMaxTokenBytes / 2);
  EXPECT_EQ(loaded.encode(word).size(), 10u);  // 9 of 32 KiB, and the rest
  EXPECT_EQ(loaded.decode(loaded.encode(word)), word);
}

TEST(TrainTokenizer, ThreadsAndTheOrderOfFilesDoNotMatter) {
  const testing::TempDir dir;
  const std::string text = kGolden + "/text.txt", merges = kGolden + "/merges.json";
  const int threads_before = num_threads();
  std::vector<std::string> written;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const auto paths = threads == 2 ? std::vector{merges, text} : std::vector{text, merges};
    train({.paths = paths, .vocab_size = 1000}).save(dir.path().string());
    written.push_back(dir.read("tokenizer.json"));
  }
  set_num_threads(threads_before);
  EXPECT_EQ(written[0], written[1]);
  EXPECT_EQ(written[0], written[2]);
}

TEST(TrainTokenizer, LittleTextGivesASmallerVocabularyAndSaysSo) {
  const testing::TempDir dir;
  const std::string path = dir.write("a.txt", "low lower lowest\n").string();
  const TrainedTokenizer trained = train({.paths = {path}, .vocab_size = 1000});
  EXPECT_EQ(trained.report.stop, BpeStop::kNoPairs);
  EXPECT_EQ(trained.report.vocab_size, trained.tokenizer.vocab_size());
  EXPECT_LT(trained.report.vocab_size, 300);
  EXPECT_EQ(trained.report.num_tokens, 4);
  EXPECT_THAT(trained.report.warnings(),
              ElementsAre(AllOf(HasSubstr("not the 1000 asked for"),
                                HasSubstr("every word of the text has become one token"))));
  EXPECT_THAT(train({.paths = {path}, .vocab_size = 277}).report.warnings(), IsEmpty());
  EXPECT_THAT(train({.paths = {path}, .vocab_size = 1000, .min_frequency = 4}).report.warnings(),
              ElementsAre(HasSubstr("every pair that is left is too rare, or too long")));
}

TEST(TrainTokenizer, NoTextAtAllIsAnError) {
  const testing::TempDir dir;
  const std::string empty = dir.write("a.txt", "").string();
  const std::string other = dir.write("b.jsonl", "{\"body\": \"x\"}\n").string();
  const auto trained = train_tokenizer({.paths = {empty, other}});
  ASSERT_FALSE(trained);
  EXPECT_THAT(trained.error().message(),
              AllOf(HasSubstr("no text in 2 files"),
                    HasSubstr("b.jsonl:1: no member `text`; the line has `body`")));
}

TEST(TrainTokenizer, OwnSpecialTokens) {
  const testing::TempDir dir;
  const std::string path = dir.write("a.txt", "foo\nfoo\nfoo\n").string();
  TrainOptions options{.paths = {path}, .vocab_size = 261};
  options.first_tokens = {{.content = "<s>", .special = true}};
  // The merges are "o o" and "f oo": "foo" keeps the id it has by then.
  options.last_tokens = {{.content = "foo"}, {.content = "<end>", .special = true}};
  options.bos_token = std::nullopt;
  options.eos_token = "<end>";
  options.pad_token = "<s>";
  const TrainedTokenizer trained = train(options);
  EXPECT_EQ(trained.tokenizer.token_to_id("<s>"), 0);
  EXPECT_EQ(trained.tokenizer.token_to_id("foo"), 258);
  EXPECT_EQ(trained.tokenizer.token_to_id("<end>"), 259);
  EXPECT_EQ(trained.report.vocab_size, 260);
  EXPECT_EQ(trained.config.add_bos_token, false);
  EXPECT_THAT(trained.tokenizer.encode("<s>foo<end>", {.add_special_tokens = true}),
              ElementsAre(0, 258, 259));
}

TEST(TrainTokenizer, RefusesOptionsBeforeItReadsAnything) {
  const auto message = [](const TrainOptions& options) {
    const auto trained = train_tokenizer(options);
    return trained ? std::string() : trained.error().message();
  };
  EXPECT_THAT(message({.paths = {"/absent"}, .vocab_size = 275}),
              HasSubstr("vocab_size is 275, expected 276 (20 special tokens and 256 bytes) to"));
  TrainOptions twice{.paths = {"/absent"}};
  twice.last_tokens.push_back({.content = "<｜▁pad▁｜>"});
  EXPECT_THAT(message(twice), HasSubstr("\"<｜▁pad▁｜>\" is given twice"));
  EXPECT_THAT(message({.paths = {"/absent"}, .eos_token = "<eos>"}),
              HasSubstr("eos_token is \"<eos>\", which is not among the special tokens"));
  EXPECT_THAT(message({.paths = {"/absent"}}), HasSubstr("/absent: No such file"));
}

TEST(TrainTokenizer, ProgressCoversBothPhasesAndMayCancel) {
  std::vector<std::string> phases;
  i64 last_total = 0;
  const TrainOptions options{.paths = {kGolden + "/text.txt"}, .vocab_size = 600};
  ASSERT_TRUE(train_tokenizer(options, [&](TrainPhase phase, i64 done, i64 total) {
    if (phases.empty() || phases.back() != phase_name(phase))
      phases.emplace_back(phase_name(phase));
    EXPECT_LE(done, total);
    last_total = done == total ? total : 0;
  }));
  EXPECT_THAT(phases, ElementsAre("reading text", "learning merges"));
  EXPECT_EQ(last_total, 600 - 276);
  EXPECT_THROW((void)train_tokenizer(
                   options, [](TrainPhase, i64, i64) { throw std::runtime_error("cancelled"); }),
               std::runtime_error);
}

TEST(TrainTokenizer, TheByteTokenizerHasATokenForEachByteAndNoMore) {
  const TrainedTokenizer bytes = byte_tokenizer();
  EXPECT_EQ(bytes.tokenizer.vocab_size(), 276);
  const std::string text = "A\u00e9\u4e2d\n";
  const std::vector<i32> ids = bytes.tokenizer.encode(text);
  EXPECT_EQ(ids.size(), text.size());
  EXPECT_EQ(bytes.tokenizer.decode(ids), text);
  EXPECT_EQ(bytes.tokenizer.token_to_id("<｜begin▁of▁sentence｜>"), 0);
}

}  // namespace
}  // namespace fathom::tokenizer
