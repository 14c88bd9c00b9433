#include "tokenizer/train/words.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace fathom::tokenizer {
namespace {

std::map<std::string, i64> map_of(const WordCounter& counter) {
  std::map<std::string, i64> map;
  for (const WordCount& word : counter.words()) {
    EXPECT_TRUE(map.emplace(word.word, word.count).second) << word.word << " is listed twice";
  }
  return map;
}

/// Words of many sizes, with zero bytes, that often share their first and last bytes.
std::string random_word(std::mt19937& random) {
  std::string word(1 + random() % 20, '\0');
  for (char& c : word) c = static_cast<char>(random() % 3);
  return word;
}

TEST(WordCounter, CountsAsAMapDoes) {
  std::mt19937 random(1);
  WordCounter counter;
  std::map<std::string, i64> want;
  i64 num_bytes = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::string word = random_word(random);
    if (want.count(word) == 0) num_bytes += std::ssize(word);
    const i64 count = 1 + random() % 3;
    want[word] += count;
    counter.add(word, count);
  }
  EXPECT_EQ(map_of(counter), want);
  EXPECT_EQ(counter.num_words(), std::ssize(want));
  EXPECT_EQ(counter.num_bytes(), num_bytes);
  EXPECT_GT(counter.memory_bytes(), num_bytes);
}

TEST(WordCounter, AddsAnotherCounter) {
  std::mt19937 random(2);
  WordCounter parts[2];
  std::map<std::string, i64> want;
  for (int i = 0; i < 50'000; ++i) {
    const std::string word = random_word(random);
    ++want[word];
    parts[i % 2].add(word);
  }
  parts[0].add_all(parts[1]);
  EXPECT_EQ(map_of(parts[0]), want);
  EXPECT_EQ(parts[0].total_count(), 50'000);
}

TEST(WordCounter, KeepsWordsLongerThanABlockAndForgetsOnClear) {
  WordCounter counter;
  const std::string long_word(1 << 20, 'x');
  counter.add("a");
  counter.add(long_word);
  counter.add("b");
  EXPECT_EQ(map_of(counter), (std::map<std::string, i64>{{"a", 1}, {"b", 1}, {long_word, 1}}));
  const i64 full_bytes = counter.memory_bytes();
  counter.clear();
  EXPECT_EQ(counter.num_words(), 0);
  EXPECT_EQ(counter.total_count(), 0);
  EXPECT_LT(counter.memory_bytes(), full_bytes);
  counter.add("c", 7);
  EXPECT_EQ(map_of(counter), (std::map<std::string, i64>{{"c", 7}}));
}

}  // namespace
}  // namespace fathom::tokenizer
