#include "tokenizer/train/count.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/parallel.h"
#include "testing/temp_dir.h"

namespace fathom::tokenizer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Counts = std::map<std::string, i64>;

Counts as_map(const WordCounter& words) {
  Counts counts;
  for (const WordCount& word : words.words()) counts[std::string(word.word)] = word.count;
  return counts;
}

class CountWords : public ::testing::Test {
 protected:
  std::string write(const std::string& name, std::string_view text) {
    return dir_.write(name, text).string();
  }
  Corpus find(const std::vector<std::string>& paths) {
    return value_or_throw(find_corpus(paths, {".txt", ".jsonl"}));
  }
  void TearDown() override { set_num_threads(threads_before_); }

  const testing::TempDir dir_;
  const int threads_before_ = num_threads();
  const PreTokenizer pre_tokenizer_ = PreTokenizer::deepseek_v3();
};

TEST_F(CountWords, TextAndJsonLines) {
  const Corpus corpus = find({write("a.txt", "to be\n\nor not to be"), write("b.txt", ""),
                              write("c.jsonl",
                                    "{\"text\": \"to \\u00e9\", \"id\": 1}\n"
                                    "   \r\n"
                                    "{\"id\": 2, \"text\": \"be\\n\"}\r\n"
                                    "{\"text\": \"\"}")});
  WordCounter words;
  i64 done = 0;
  const TextStats stats =
      count_words(corpus, pre_tokenizer_, {}, words, [&](i64 done_bytes) { done = done_bytes; });
  EXPECT_EQ(as_map(words), (Counts{{"to", 2},
                                   {" be", 2},
                                   {"\n\n", 1},
                                   {"or", 1},
                                   {" not", 1},
                                   {" to", 1},
                                   {" é", 1},
                                   {"be", 1},
                                   {"\n", 1}}));
  EXPECT_EQ(stats.num_documents, 4);
  EXPECT_EQ(stats.text_bytes, 19 + 5 + 3);
  EXPECT_EQ(stats.num_skipped_lines, 0);
  EXPECT_EQ(done, corpus.size_bytes);
}

TEST_F(CountWords, IllFormedUtf8IsReplacedAndCounted) {
  const Corpus corpus =
      find({write("a.txt", "a\xff\xfe\xe4\xb8\nb"), write("b.jsonl", "{\"text\": \"\xc3\"}\n")});
  WordCounter words;
  const TextStats stats = count_words(corpus, pre_tokenizer_, {}, words);
  EXPECT_EQ(stats.num_replaced_characters, 4);
  EXPECT_EQ(as_map(words),
            (Counts{{"a", 1}, {"\ufffd\ufffd\ufffd\n", 1}, {"b", 1}, {"\ufffd", 1}}));
}

TEST_F(CountWords, SkippedLinesAreNamed) {
  const std::string path = write("a.jsonl",
                                 "{\"text\": \"good\"}\n{\"text\": \n[1]\n{\"body\": \"x\"}\n"
                                 "{\"text\": 5}\n{\"text\": \"\\ud800\"}\n"
                                 "{\"text\": \"a\"}\n{\"text\": \"a\", \"text2\": NaN}\n");
  WordCounter words;
  const TextStats stats = count_words(find({path}), pre_tokenizer_, {}, words);
  EXPECT_EQ(stats.num_documents, 4);
  EXPECT_EQ(stats.num_replaced_characters, 1) << "half a surrogate pair";
  EXPECT_EQ(stats.num_skipped_lines, 4);
  EXPECT_THAT(stats.skipped_lines,
              ElementsAre(path + ":2:10: expected a value, found the end of the line",
                          HasSubstr(":3:1: expected an object, found an array"),
                          HasSubstr(":4: no member `text`; the line has `body`"),
                          HasSubstr(":5:10: `text`: expected a string, found the number 5")));
}

TEST_F(CountWords, AFileOfWhichMostLinesAreBrokenIsAnotherThing) {
  const auto error = [&](std::string_view text) -> std::string {
    WordCounter words;
    try {
      count_words(find({write("a.jsonl", text)}), pre_tokenizer_, {}, words);
    } catch (const Error& refused) {
      return refused.message();
    }
    return "";
  };
  EXPECT_THAT(error("id,text\n1,a\n2,b\n"),
              AllOf(HasSubstr("a.jsonl: 3 of 3 lines hold no text (line 1:1: expected an object"),
                    HasSubstr("it looks like a table (CSV)")));
  EXPECT_THAT(
      error("{\"body\": \"a\"}\n{\"body\": \"b\"}\n\n{\"text\": \"c\"}\n"),
      HasSubstr("2 of 3 lines hold no text (line 1: no member `text`; the line has `body`)"));
  EXPECT_EQ(error("{\"text\": \"a\"}\n{\"text\": \"b\"}\nx\ny\n"), "") << "half is not most";
}

TEST_F(CountWords, AnotherFieldCanBeTheText) {
  WordCounter words;
  count_words(find({write("a.jsonl", "{\"text\": \"no\", \"body\": \"yes\"}")}), pre_tokenizer_,
              {.text_field = "body"}, words);
  EXPECT_EQ(as_map(words), (Counts{{"yes", 1}}));
}

TEST_F(CountWords, ThreadsAndSizesDoNotMatter) {
  std::mt19937 random(5);
  std::string text, lines;
  std::vector<std::string> documents;
  for (int i = 0; i < 20'000; ++i) {
    const std::string word = "w" + std::to_string(random() % 500);
    text += word + (random() % 7 == 0 ? " \n\n  " : random() % 5 == 0 ? "\n" : " ");
    documents.push_back(word + " x\n");
    lines += "{\"text\": \"" + word + " x\\n\"}\n";
  }
  documents.push_back(text);
  Counts want;  // of the documents as wholes, by the pre-tokenizer alone
  for (const std::string& document : documents) {
    pre_tokenizer_.split(document, [&](std::string_view piece) { ++want[std::string(piece)]; });
  }
  const Corpus corpus = find({write("a.txt", text), write("b.jsonl", lines)});
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (const i64 part_bytes : {50, 3000, 1 << 18}) {
      WordCounter words;
      const TextStats stats =
          count_words(corpus, pre_tokenizer_,
                      {.sizes = {.batch_bytes = 4 * part_bytes, .part_bytes = part_bytes}}, words);
      ASSERT_EQ(as_map(words), want) << threads << " threads, parts of " << part_bytes;
      ASSERT_EQ(stats.num_documents, std::ssize(documents));
    }
  }
}

TEST_F(CountWords, TheMemoryLimitSaysWhatIsNeeded) {
  std::mt19937 random(6);
  std::string text;
  while (text.size() < 3'000'000) {
    text += ' ';
    for (int i = 0; i < 8; ++i) text += static_cast<char>('a' + random() % 26);
  }
  const Corpus corpus = find({write("a.txt", text)});
  WordCounter words;
  try {
    count_words(corpus, pre_tokenizer_, {.max_memory_bytes = 64 << 20}, words);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("distinct words"), HasSubstr("limit is 64.0 MiB")));
  }
}

}  // namespace
}  // namespace fathom::tokenizer
