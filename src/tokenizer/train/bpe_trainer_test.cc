#include "tokenizer/train/bpe_trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/byte_level.h"

namespace fathom::tokenizer {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Words = std::map<std::string, i64>;

std::vector<WordCount> view(const Words& words) {
  std::vector<WordCount> counts;
  for (const auto& [word, count] : words) counts.push_back({word, count});
  return counts;
}

BpeTraining learn(const Words& words, const BpeTrainerOptions& options) {
  return value_or_throw(learn_merges(view(words), options));
}

/// "left right" as a merges.txt spells it.
std::vector<std::string> spelled(const BpeTraining& training) {
  std::vector<std::string> lines;
  for (const Merge& merge : training.merges) {
    lines.push_back(training.vocab[static_cast<size_t>(merge.left)] + " " +
                    training.vocab[static_cast<size_t>(merge.right)]);
  }
  return lines;
}

/// The rule as one would tell it: count all pairs, merge the best one everywhere, start again.
class NaiveTrainer {
 public:
  NaiveTrainer(const Words& words, const BpeTrainerOptions& options) : options_(options) {
    std::map<std::string, int> symbols;
    for (int byte = 0; byte < 256; ++byte) {
      const char c = static_cast<char>(byte);
      symbols[spell_bytes({&c, 1})] = byte;
    }
    std::vector<int> id_of(256);
    for (const auto& [symbol, byte] : symbols) {
      id_of[static_cast<size_t>(byte)] = static_cast<int>(lengths_.size());
      lengths_.push_back(1);
    }
    for (const auto& [word, count] : words) {
      std::vector<int> ids;
      for (const char c : word) ids.push_back(id_of[static_cast<u8>(c)]);
      words_.emplace_back(ids, count);
    }
  }

  std::vector<std::pair<int, int>> run() {
    std::vector<std::pair<int, int>> merges;
    while (std::ssize(lengths_) < options_.vocab_size) {
      const auto best = best_pair();
      if (best.second < std::max<i64>(1, options_.min_frequency)) break;
      merges.push_back(best.first);
      merge(best.first);
    }
    return merges;
  }

  i64 num_tokens() const {
    i64 sum = 0;
    for (const auto& [ids, count] : words_) sum += std::ssize(ids) * count;
    return sum;
  }

 private:
  int length(int id) const { return lengths_[static_cast<size_t>(id)]; }

  std::pair<std::pair<int, int>, i64> best_pair() const {
    std::map<std::pair<int, int>, i64> counts;
    for (const auto& [ids, count] : words_) {
      for (size_t i = 1; i < ids.size(); ++i) counts[{ids[i - 1], ids[i]}] += count;
    }
    std::pair<std::pair<int, int>, i64> best{{0, 0}, 0};
    for (const auto& [pair, count] : counts) {  // ascending pairs: the first of equals stays
      const int size = length(pair.first) + length(pair.second);
      const bool too_long =
          options_.max_token_length > 0 && size > 2 && size >= options_.max_token_length;
      if (!too_long && count > best.second) best = {pair, count};
    }
    return best;
  }

  void merge(std::pair<int, int> pair) {
    const int merged = static_cast<int>(std::ssize(lengths_));
    lengths_.push_back(length(pair.first) + length(pair.second));
    for (auto& [ids, count] : words_) {
      std::vector<int> shorter;
      for (size_t i = 0; i < ids.size(); ++i) {
        if (i + 1 < ids.size() && ids[i] == pair.first && ids[i + 1] == pair.second) {
          shorter.push_back(merged);
          ++i;
        } else {
          shorter.push_back(ids[i]);
        }
      }
      ids = std::move(shorter);
    }
  }

  const BpeTrainerOptions& options_;
  std::vector<int> lengths_;
  std::vector<std::pair<std::vector<int>, i64>> words_;
};

std::string random_word(std::mt19937& random, std::string_view letters, size_t max_size) {
  std::string word(1 + random() % max_size, '\0');
  // Often the first letter: runs, where overlapping pairs are easy to get wrong.
  for (char& c : word) c = random() % 2 == 0 ? letters[0] : letters[random() % letters.size()];
  return word;
}

TEST(BpeTrainer, MatchesTheNaiveRuleOnRandomWords) {
  for (u32 seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const std::string_view letters =
        std::vector<std::string_view>{"a", "ab", "abc", "ab\xff\n "}[seed % 4];
    Words words;
    for (int i = 0; i < 40; ++i) {
      words[random_word(random, letters, seed % 3 == 0 ? 40 : 9)] += 1 + random() % 4;
    }
    const auto draw = [&](u32 below) { return static_cast<i64>(random() % below); };
    const BpeTrainerOptions options{.vocab_size = 256 + draw(120),
                                    .min_frequency = draw(4),
                                    .max_token_length = draw(2) == 0 ? 0 : draw(9)};
    const BpeTraining training = learn(words, options);
    NaiveTrainer naive(words, options);
    std::vector<std::pair<int, int>> merges;
    for (const Merge& merge : training.merges) merges.emplace_back(merge.left, merge.right);
    ASSERT_EQ(merges, naive.run()) << "seed " << seed;
    ASSERT_EQ(training.num_tokens, naive.num_tokens()) << "seed " << seed;
  }
}

TEST(BpeTrainer, EqualCountsGoToTheSmallerIds) {
  // All pairs occur once; ids ascend with the characters, and the left one decides first.
  EXPECT_THAT(spelled(learn({{"dc", 1}, {"cd", 1}, {"ba", 1}, {"bb", 1}}, {.vocab_size = 260})),
              ElementsAre("b a", "b b", "c d", "d c"));
}

TEST(BpeTrainer, CountsOverlappingPairsAsHuggingFaceDoes) {
  // "aaa" counts (a, a) twice but holds it once; 2 * 3 beats 5.
  EXPECT_THAT(spelled(learn({{"aaa", 3}, {"bc", 5}}, {.vocab_size = 258})),
              ElementsAre("a a", "b c"));
}

TEST(BpeTrainer, TheFirstIdsAreReservedTextsThenBytesInTheOrderOfTheirSymbols) {
  const BpeTraining training = learn({{"ab", 2}}, {.vocab_size = 261, .reserved = {"<s>", "</s>"}});
  EXPECT_EQ(training.vocab[0], "<s>");
  EXPECT_EQ(training.vocab[1], "</s>");
  EXPECT_EQ(training.vocab[2], "!");
  EXPECT_EQ(training.vocab[2 + 188], "Ā");  // byte 0; 188 bytes are their own symbols
  EXPECT_EQ(training.vocab[2 + 188 + 32], "Ġ");
  EXPECT_EQ(training.vocab[2 + 255], "Ń");
  EXPECT_EQ(training.vocab[258], "ab");
  EXPECT_EQ(training.vocab.size(), 259u);
}

TEST(BpeTrainer, AMergeThatSpellsAReservedTextYieldsItsId) {
  const Words words = {{"abcd", 4}, {"ab", 3}};
  const BpeTraining training = learn(words, {.vocab_size = 259, .reserved = {"ab"}});
  EXPECT_THAT(spelled(training), ElementsAre("a b", "ab c", "abc d"));
  EXPECT_EQ(training.merges[1].left, 0);
  EXPECT_EQ(training.vocab.size(), 259u);
}

TEST(BpeTrainer, SaysWhyItStopped) {
  const Words words = {{"abc", 2}, {"ax", 1}};
  EXPECT_EQ(learn(words, {.vocab_size = 257}).stop, BpeStop::kVocabSize);
  const BpeTraining all = learn(words, {.vocab_size = 1000});
  EXPECT_EQ(all.stop, BpeStop::kNoPairs);
  EXPECT_EQ(all.merges.size(), 3u);
  EXPECT_EQ(all.last_pair_count, 1);
  EXPECT_EQ(all.num_tokens, 3);
  const BpeTraining frequent = learn(words, {.vocab_size = 1000, .min_frequency = 2});
  EXPECT_EQ(frequent.stop, BpeStop::kMinFrequency);
  EXPECT_EQ(frequent.merges.size(), 2u);
  EXPECT_EQ(learn({}, {.vocab_size = 1000}).stop, BpeStop::kNoPairs);
  EXPECT_EQ(learn({{"a", 5}}, {.vocab_size = 1000}).num_tokens, 5);
}

TEST(BpeTrainer, CountsBeyond32BitsAreExact) {
  EXPECT_THAT(
      spelled(learn({{"ab", i64{1} << 33}, {"cd", (i64{1} << 33) + 1}}, {.vocab_size = 258})),
      ElementsAre("c d", "a b"));
}

TEST(BpeTrainer, OneVeryLongWordTakesLinearTime) {
  // A trainer that rescans its words needs 10^11 steps for the second of these.
  const std::string run(1 << 20, 'a');
  // 2^15 bytes are the longest token that can be read back.
  EXPECT_EQ(learn({{run, 1}}, {.vocab_size = 1000}).merges.size(), 15u);
  std::mt19937 random(1);
  std::string noise(1 << 18, '\0');
  for (char& c : noise) c = static_cast<char>('a' + random() % 26);
  EXPECT_EQ(learn({{noise, 1}}, {.vocab_size = 40'000}).merges.size(), 40'000u - 256);
}

TEST(BpeTrainer, ReportsProgressAndEndsWithTheCallersException) {
  Words words;
  std::mt19937 random(2);
  for (int i = 0; i < 3000; ++i) words[random_word(random, "abcdefghijkl", 12)] += 1;
  std::vector<i64> steps;
  const BpeTrainerOptions options{.vocab_size = 256 + 700};
  ASSERT_TRUE(learn_merges(view(words), options, [&](i64 done, i64 total) {
    EXPECT_EQ(total, 700);
    steps.push_back(done);
  }));
  EXPECT_THAT(steps, ElementsAre(0, 256, 512, 700));
  EXPECT_THROW((void)learn_merges(view(words), options,
                                  [](i64, i64) { throw std::runtime_error("cancelled"); }),
               std::runtime_error);
}

TEST(BpeTrainer, RefusesImpossibleOptions) {
  const auto message = [](const BpeTrainerOptions& options) {
    const auto result = learn_merges({}, options);
    return result ? std::string() : result.error().message();
  };
  EXPECT_THAT(message({.vocab_size = 257, .reserved = {"<s>", "</s>"}}),
              HasSubstr("vocab_size is 257, expected 258 (2 special tokens and 256 bytes) to"));
  EXPECT_THAT(message({.vocab_size = kMaxVocabSize + 1}), HasSubstr("vocab_size is 4194305"));
  EXPECT_THAT(message({.vocab_size = 300, .min_frequency = -1}), HasSubstr("min_frequency is -1"));
  EXPECT_THAT(message({.vocab_size = 300, .max_token_length = 32'769}),
              HasSubstr("max_token_length is 32769, expected at most 32768"));
  EXPECT_THAT(message({.vocab_size = 300, .reserved = {""}}), HasSubstr("is empty"));
  EXPECT_THAT(message({.vocab_size = 300, .reserved = {std::string(1025, 'x')}}),
              HasSubstr("has 1025 bytes, expected at most 1024"));
  EXPECT_THAT(message({.vocab_size = 300, .reserved = {"<s>", "<s>"}}), HasSubstr("given twice"));
  EXPECT_THAT(message({.vocab_size = 300, .reserved = {"Ġ"}}),
              HasSubstr("symbol of a single byte"));
}

}  // namespace
}  // namespace fathom::tokenizer
