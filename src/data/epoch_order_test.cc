// Every epoch has orders of its own, of documents and of sequences, and every source and seed has
// too.
#include <gtest/gtest.h>

#include <set>

#include "data/data_loader.h"
#include "data/test_tokenizer.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

/// Documents of one token less than a sequence has, so that a sequence begins with a document's
/// token at an offset that tells which documents came before it.
class EpochOrder : public ::testing::Test {
 protected:
  EpochOrder() {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      lines += "{\"text\": \"" + std::string(1, static_cast<char>('!' + (i == 1 ? 90 : i))) +
               std::to_string(i) + "abcd\"}\n";
    }
    for (const char* name : {"one", "two"}) {
      config_.train[name].paths = {dir_.write(std::string(name) + ".jsonl", lines).string()};
    }
    config_.cache_dir = (dir_ / "cache").string();
    config_.fim_rate = config_.split_rate = 0;
    config_.seq_len = 16;
    config_.seed = 7;
    data_ = prepare_data(config_, tokenizer_);
  }
  /// The sequences of one source's epochs in the order in which they are read.
  std::vector<std::vector<std::vector<i32>>> epochs(int source, i64 count) {
    DataLoader loader(data_.train, loader_config(config_, /*mtp_depth=*/0));
    std::vector<std::vector<std::vector<i32>>> all(1);
    SequenceBatch batch;
    for (i64 sample = 0;; ++sample) {
      loader.read({sample, 1}, batch);
      if (batch.sources[0] != source) continue;
      if (std::ssize(all.back()) == loader.epoch_sequences(source)) {
        if (std::ssize(all) == count) return all;
        all.emplace_back();
      }
      all.back().emplace_back(batch.tokens().row(0), batch.tokens().row(0) + 16);
    }
  }

  testing::TempDir dir_;
  tokenizer::Tokenizer tokenizer_ = make_test_tokenizer();
  DataConfig config_;
  PreparedData data_;
};

std::set<std::vector<i32>> as_set(const std::vector<std::vector<i32>>& sequences) {
  return {sequences.begin(), sequences.end()};
}

TEST_F(EpochOrder, DocumentsAndSequencesAreShuffledAnew) {
  const auto order = epochs(0, 3);
  for (size_t a = 0; a < 3; ++a) {
    for (size_t b = a + 1; b < 3; ++b) {
      // Another order of the documents cuts the text into other sequences.
      EXPECT_NE(as_set(order[a]), as_set(order[b])) << "epochs " << a << " and " << b;
    }
  }
}

TEST_F(EpochOrder, SequencesAreNotReadFromLeftToRight) {
  const auto order = epochs(0, 2);
  for (const auto& epoch : order) {
    // From left to right, each sequence would go on where the one before it ended: the first token
    // of the next is the 17th of this one.
    DataLoader loader(data_.train, loader_config(config_, 0));
    i64 neighbours = 0;
    for (size_t i = 0; i + 1 < epoch.size(); ++i) neighbours += epoch[i].back() == epoch[i + 1][0];
    EXPECT_LT(neighbours, std::ssize(epoch) / 2);
  }
}

// Of one document there is one order, so that the sequences of all epochs are the same ones.
TEST_F(EpochOrder, TheSameSequencesComeInAnotherOrder) {
  std::string line = "{\"text\": \"";
  for (int i = 0; i < 200; ++i) line += std::to_string(i * i) + " ";
  config_.train.clear();
  config_.train["long"].paths = {dir_.write("long.jsonl", line + "\"}\n").string()};
  data_ = prepare_data(config_, tokenizer_);
  const auto order = epochs(0, 3);
  for (const size_t epoch : {1u, 2u}) {
    EXPECT_EQ(as_set(order[epoch]), as_set(order[0]));
    EXPECT_NE(order[epoch], order[epoch - 1]);
  }
}

TEST_F(EpochOrder, SourcesAndSeedsHaveOrdersOfTheirOwn) {
  const auto first = epochs(0, 1), second = epochs(1, 1);
  EXPECT_NE(first, second) << "the same text in two sources";
  config_.seed = 8;
  EXPECT_NE(epochs(0, 1), first);
  config_.seed = 7;
  EXPECT_EQ(epochs(0, 1), first);
}

}  // namespace
}  // namespace fathom::data
