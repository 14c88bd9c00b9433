#include "data/data_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "data/test_tokenizer.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

class DataLoaderTest : public ::testing::Test {
 protected:
  DataLoaderTest() {
    config_.cache_dir = (dir_ / "cache").string();
    config_.fim_rate = config_.split_rate = 0;
    config_.seq_len = 32;
    config_.seed = 7;
    add_source("big", 300, 3);
    add_source("small", 40, 1);
  }

  /// `documents` lines of different lengths, each with its number in it.
  void add_source(const std::string& name, int documents, double weight) {
    std::string lines;
    for (int i = 0; i < documents; ++i) {
      lines += "{\"text\": \"" + name + " " + std::to_string(i) +
               std::string(static_cast<size_t>(i * 37 % 90), '.') + "\"}\n";
    }
    auto& source = config_.train[name];
    source.paths = {dir_.write(name + ".jsonl", lines).string()};
    source.weight = weight;
  }
  DataLoader make_loader(i64 mtp_depth = 1) {
    if (data_.train.empty()) data_ = prepare_data(config_, tokenizer_);
    return {data_.train, loader_config(config_, mtp_depth)};
  }
  static std::vector<i32> row(const SequenceBatch& batch, i64 s) {
    const i32* begin = batch.tokens().row(s);
    return {begin, begin + batch.row_tokens()};
  }
  std::vector<i32> all_tokens(int source) const {
    const TokenDataset& dataset = data_.train[static_cast<size_t>(source)].dataset;
    std::vector<i32> all;
    for (i64 i = 0; i < dataset.num_documents(); ++i) {
      std::vector<i32> ids(static_cast<size_t>(dataset.document_tokens(i)));
      dataset.copy(i, 0, ids);
      all.insert(all.end(), ids.begin(), ids.end());
    }
    return all;
  }

  testing::TempDir dir_;
  tokenizer::Tokenizer tokenizer_ = make_test_tokenizer();
  DataConfig config_;
  PreparedData data_;
};

TEST_F(DataLoaderTest, AnyRanksAndAnyBatchesGiveTheSameSamples) {
  DataLoader loader = make_loader();
  SequenceBatch whole;
  loader.read({0, 600}, whole);
  for (const i64 num_ranks : {1, 2, 3, 7}) {
    for (const std::vector<i64>& ramp :
         {std::vector<i64>{12}, std::vector<i64>{1, 2, 3, 50}, std::vector<i64>{100}}) {
      std::vector<DataLoader> ranks;
      std::vector<DataPosition> positions(static_cast<size_t>(num_ranks));
      for (i64 rank = 0; rank < num_ranks; ++rank) ranks.push_back(make_loader());
      i64 sample = 0;
      for (size_t step = 0; sample < 500; ++step) {
        const i64 global = ramp[step % ramp.size()];
        for (i64 rank = 0; rank < num_ranks; ++rank) {
          SequenceBatch batch;
          ranks[static_cast<size_t>(rank)].next_batch(positions[static_cast<size_t>(rank)], global,
                                                      rank, num_ranks, batch);
          for (i64 s = 0; s < batch.num_sequences; ++s, ++sample) {
            ASSERT_EQ(batch.samples[static_cast<size_t>(s)], sample);
            ASSERT_EQ(row(batch, s), row(whole, sample)) << "sample " << sample;
            ASSERT_EQ(batch.sources[static_cast<size_t>(s)],
                      whole.sources[static_cast<size_t>(sample)]);
          }
        }
        for (const DataPosition& position : positions) ASSERT_EQ(position.next_sample, sample);
      }
    }
  }
}

TEST_F(DataLoaderTest, ResumingIsContinuing) {
  DataLoader loader = make_loader(2);
  DataPosition position;
  SequenceBatch batch;
  for (int step = 0; step < 37; ++step) loader.next_batch(position, 5, 0, 1, batch);
  const DataPosition saved = position;
  DataLoader resumed = make_loader(2);
  DataPosition again = saved;
  SequenceBatch other;
  for (int step = 0; step < 60; ++step) {
    loader.next_batch(position, 5, 0, 1, batch);
    resumed.next_batch(again, 5, 0, 1, other);
    ASSERT_EQ(batch.token_ids, other.token_ids);
    ASSERT_EQ(batch.document_ordinals, other.document_ordinals);
    ASSERT_EQ(batch.target_ids, other.target_ids);
  }
  // Far away and back.
  loader.read({i64{1} << 40, 3}, batch);
  loader.read({saved.next_sample, 5}, batch);
  resumed.read({saved.next_sample, 5}, other);
  EXPECT_EQ(batch.token_ids, other.token_ids);
}

TEST_F(DataLoaderTest, AnEpochHoldsEveryTokenOnce) {
  DataLoader loader = make_loader(0);
  for (int source = 0; source < 2; ++source) {
    auto expected = all_tokens(source);
    const i64 sequences = loader.epoch_sequences(source);
    ASSERT_EQ(sequences, (std::ssize(expected) + 31) / 32);
    std::vector<std::vector<i32>> seen;
    SequenceBatch batch;
    i64 sample = 0;
    for (int epoch = 0; epoch < 3; ++epoch) {
      std::vector<i32> tokens;
      for (i64 count = 0; count < sequences; ++sample) {
        loader.read({sample, 1}, batch);
        if (batch.sources[0] != source) continue;
        ++count;
        tokens.insert(tokens.end(), batch.token_ids.begin(), batch.token_ids.begin() + 32);
      }
      // The last sequence of the stream is filled up from its beginning, so a few tokens come
      // twice.
      std::map<i32, i64> counts;
      for (const i32 id : tokens) ++counts[id];
      for (const i32 id : expected) --counts[id];
      i64 surplus = 0;
      for (const auto& [id, count] : counts) {
        EXPECT_GE(count, 0);
        surplus += count;
      }
      EXPECT_EQ(surplus, sequences * 32 - std::ssize(expected));
      for (const auto& other : seen) EXPECT_NE(tokens, other) << "epochs are shuffled anew";
      seen.push_back(tokens);
    }
  }
}

// Sorted by the stream, an epoch's sequences are its documents end to end: cut nowhere, lost
// nowhere.
TEST_F(DataLoaderTest, SequencesOfAnEpochJoinToItsDocuments) {
  DataLoader loader = make_loader(3);
  SequenceBatch batch;
  std::map<std::vector<i32>, std::vector<i32>>
      next_by_head;  // first 4 tokens are not unique; use 36
  std::vector<std::vector<i32>> rows;
  const i64 sequences = loader.epoch_sequences(0);
  for (i64 sample = 0; std::ssize(rows) < sequences; ++sample) {
    loader.read({sample, 1}, batch);
    if (batch.sources[0] == 0) rows.push_back(row(batch, 0));
  }
  // A row's last 1 + 3 tokens are the first ones of the row that follows it in the stream.
  i64 followed = 0;
  for (const auto& one : rows) {
    for (const auto& other : rows) {
      if (std::equal(one.begin() + 32, one.end(), other.begin())) {
        ++followed;
        break;
      }
    }
  }
  EXPECT_GE(followed, sequences - 1);  // the one that wraps may find its like by chance
  // Every document begins once; those at the stream's beginning may fill up the last sequence.
  const i32 bos = *tokenizer_.token_to_id(config_.bos_token);
  i64 begins = 0;
  for (const auto& one : rows) begins += std::count(one.begin(), one.begin() + 32, bos);
  EXPECT_GE(begins, 300);
  EXPECT_LE(begins, 304);
}

TEST_F(DataLoaderTest, SourcesComeInTheirShares) {
  DataLoader loader = make_loader();
  SequenceBatch batch;
  loader.read({1000, 400}, batch);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(batch.sources, 0)), 300, 2);
  EXPECT_NEAR(loader.epochs(0, 400) * static_cast<double>(loader.epoch_sequences(0)), 300, 2);
}

TEST_F(DataLoaderTest, SeedsShuffleAndFingerprintsTell) {
  DataLoader one = make_loader();
  const io::Hash128 fingerprint = one.fingerprint();
  EXPECT_EQ(fingerprint, make_loader().fingerprint());
  SequenceBatch batch, other;
  one.read({0, 50}, batch);
  config_.seed = 8;
  DataLoader two = make_loader();
  two.read({0, 50}, other);
  EXPECT_NE(batch.token_ids, other.token_ids);
  EXPECT_NE(fingerprint, two.fingerprint());
  config_.seed = 7;
  config_.train["big"].weight = 4;
  data_ = {};
  EXPECT_NE(fingerprint, make_loader().fingerprint());
}

TEST_F(DataLoaderTest, DocumentsAreShuffledNotJustSequences) {
  config_.seq_len = 300;
  DataLoader loader = make_loader(0);
  // Of neighbours in a sequence, how many were neighbours in the file? Lines carry their number.
  SequenceBatch batch;
  i64 pairs = 0, in_order = 0;
  loader.read({0, 100}, batch);
  for (i64 s = 0; s < 100; ++s) {
    const std::string text = tokenizer_.decode(row(batch, s), tokenizer::SpecialTokens::kSkip);
    long previous = -2;
    for (size_t at = text.find("big "); at != std::string::npos; at = text.find("big ", at + 1)) {
      const long number = std::strtol(text.c_str() + at + 4, nullptr, 10);
      if (previous >= 0) {
        ++pairs;
        in_order += number == previous + 1;
      }
      previous = number;
    }
  }
  EXPECT_GT(pairs, 20);
  EXPECT_LE(in_order, pairs / 10);
}

TEST_F(DataLoaderTest, TargetsRespectDocumentEnds) {
  DataLoader loader = make_loader(2);
  SequenceBatch batch;
  loader.read({0, 64}, batch);
  const i32 bos = *tokenizer_.token_to_id(config_.bos_token);
  const i32 eos = *tokenizer_.token_to_id(config_.eos_token);
  i64 ignored = 0;
  for (i64 s = 0; s < 64; ++s) {
    const auto tokens = row(batch, s);
    const auto at = [&](i64 i) { return tokens[static_cast<size_t>(i)]; };
    for (i64 i = 1; i < batch.row_tokens(); ++i) {
      EXPECT_EQ(batch.documents()(s, i) - batch.documents()(s, i - 1), at(i) == bos);
    }
    for (i64 depth = 0; depth <= 2; ++depth) {
      for (i64 i = 0; i < 32; ++i) {
        bool crosses = false;  // is there an end at or behind i, before the target?
        for (i64 j = i; j <= i + depth; ++j) crosses = crosses || at(j) == eos;
        EXPECT_EQ(batch.targets()(depth, s, i), crosses ? kIgnoredTarget : at(i + 1 + depth));
        ignored += crosses;
      }
    }
  }
  EXPECT_GT(ignored, 100);
}

TEST_F(DataLoaderTest, WithoutBosThePackedTextIsPredictedAcrossDocuments) {
  config_.bos_token = "";
  SequenceBatch batch;
  DataLoader loader = make_loader(1);
  loader.read({0, 16}, batch);
  for (i64 s = 0; s < 16; ++s) {
    for (i64 i = 0; i < 32; ++i) EXPECT_EQ(batch.targets()(0, s, i), batch.tokens()(s, i + 1));
  }
  EXPECT_GT(std::ranges::count(batch.target_ids, kIgnoredTarget), 0);  // MTP still stops there
  config_.isolate_documents = true;
  DataLoader isolated = make_loader(1);
  isolated.read({0, 16}, batch);
  const i32 eos = *tokenizer_.token_to_id(config_.eos_token);
  for (i64 s = 0; s < 16; ++s) {
    for (i64 i = 0; i < 32; ++i) {
      EXPECT_EQ(batch.targets()(0, s, i) == kIgnoredTarget, batch.tokens()(s, i) == eos);
    }
  }
}

TEST_F(DataLoaderTest, SourcesShorterThanASequenceRepeat) {
  config_.train.clear();
  auto& source = config_.train["tiny"];
  source.paths = {dir_.write("tiny.txt", "the").string()};
  DataLoader loader = make_loader(4);
  SequenceBatch batch;
  loader.read({5, 3}, batch);
  const auto text = all_tokens(0);
  for (i64 s = 0; s < 3; ++s) {
    for (i64 i = 0; i < batch.row_tokens(); ++i) {
      EXPECT_EQ(batch.tokens()(s, i), text[static_cast<size_t>(i % std::ssize(text))]);
    }
  }
  EXPECT_EQ(loader.epochs(0, 8), 8.0);
}

TEST_F(DataLoaderTest, ValidationScoresEveryTokenOnceAndTheBytesAddUp) {
  config_.validation["held"].paths = {(dir_ / "big.jsonl").string()};
  make_loader();
  const std::vector<i32> bytes = text_bytes_of_ids(tokenizer_);
  for (const i64 seq_len : {1, 7, 32, 1000, 100'000}) {
    config_.seq_len = seq_len;
    const ValidationSet set(data_.validation[0], loader_config(config_, 1));
    std::vector<i32> targets, expected;
    i64 text_bytes = 0;
    SequenceBatch batch;
    for (i64 s = 0; s < set.num_sequences(); s += 3) {
      set.read({s, std::min<i64>(3, set.num_sequences() - s)}, batch);
      for (i64 r = 0; r < batch.num_sequences; ++r) {
        for (i64 i = 0; i < seq_len; ++i) {
          const i32 target = batch.targets()(0, r, i);
          if (target == kIgnoredTarget) continue;
          targets.push_back(target);
          text_bytes += bytes[static_cast<size_t>(target)];
        }
      }
    }
    const i32 bos = *tokenizer_.token_to_id(config_.bos_token);
    for (const i32 id : all_tokens(0)) {
      if (id != bos) expected.push_back(id);
    }
    EXPECT_EQ(targets, expected) << seq_len;
    EXPECT_EQ(text_bytes, data_.validation[0].dataset.statistics().text_bytes);
  }
}

TEST_F(DataLoaderTest, ValidationEndsInPadding) {
  config_.validation["held"].paths = {(dir_ / "small.jsonl").string()};
  make_loader();
  config_.seq_len = 100'000;
  const ValidationSet set(data_.validation[0], loader_config(config_, 2));
  ASSERT_EQ(set.num_sequences(), 1);
  SequenceBatch batch;
  set.read({0, 1}, batch);
  const i64 tokens = data_.validation[0].dataset.num_tokens();
  EXPECT_EQ(batch.documents()(0, tokens - 1), 39);
  EXPECT_EQ(batch.documents()(0, tokens), kPadding);
  EXPECT_EQ(batch.documents()(0, batch.row_tokens() - 1), kPadding);
  for (i64 i = tokens - 1; i < 100'000; ++i) {
    ASSERT_EQ(batch.targets()(0, 0, i), kIgnoredTarget);
    ASSERT_EQ(batch.targets()(2, 0, i), kIgnoredTarget);
  }
}

TEST_F(DataLoaderTest, ReadingAllocatesNothingOnceWarm) {
  DataLoader loader = make_loader();
  SequenceBatch batch;
  loader.read({0, 64}, batch);
  const i32* tokens = batch.token_ids.data();
  const i32* targets = batch.target_ids.data();
  loader.read({64, 17}, batch);
  loader.read({100, 64}, batch);
  EXPECT_EQ(batch.token_ids.data(), tokens);
  EXPECT_EQ(batch.target_ids.data(), targets);
}

TEST(RankShare, CoversTheBatchInOrder) {
  for (const i64 count : {0, 1, 5, 16, 17}) {
    for (const i64 ranks : {1, 2, 3, 8}) {
      i64 next = 100;
      for (i64 rank = 0; rank < ranks; ++rank) {
        const SampleRange share = rank_share({100, count}, rank, ranks);
        EXPECT_EQ(share.first, next);
        EXPECT_GE(share.count, count / ranks);
        EXPECT_LE(share.count, (count + ranks - 1) / ranks);
        next += share.count;
      }
      EXPECT_EQ(next, 100 + count);
    }
  }
}

}  // namespace
}  // namespace fathom::data
