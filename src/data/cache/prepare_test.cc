#include "data/cache/prepare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "base/parallel.h"
#include "data/cache/source_tokenizer.h"
#include "data/test_tokenizer.h"
#include "testing/compress.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

using testing::gzip;
using testing::zstd;

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PrepareTest : public ::testing::Test {
 protected:
  PrepareTest() {
    config_.cache_dir = (dir_ / "cache").string();
    config_.fim_rate = 0.3;
    config_.split_rate = 0.3;
    fs::create_directories(dir_ / "text");
    for (int i = 0; i < 5; ++i) {
      const std::string name = "text/" + std::to_string(i) + ".txt";
      dir_.write(name, "File " + std::to_string(i) + ".\nThe other (one).\nend;\n");
    }
    config_.train["prose"].paths = {(dir_ / "text").string()};
  }

  PreparedData prepare() {
    tokenized_.clear();
    return prepare_data(config_, tokenizer_, [this](const TokenizeProgress& progress) {
      EXPECT_LE(progress.file_bytes, progress.total_file_bytes);
      if (progress.done) tokenized_.emplace_back(progress.source);
    });
  }
  static std::vector<i32> document(const TokenDataset& dataset, i64 i) {
    std::vector<i32> ids(static_cast<size_t>(dataset.document_tokens(i)));
    dataset.copy(i, 0, ids);
    return ids;
  }
  static std::vector<i32> all(const TokenDataset& dataset) {
    std::vector<i32> ids;
    for (i64 i = 0; i < dataset.num_documents(); ++i) {
      const auto one = document(dataset, i);
      ids.insert(ids.end(), one.begin(), one.end());
    }
    return ids;
  }
  std::string text(const TokenDataset& dataset, i64 i) const {
    return tokenizer_.decode(document(dataset, i), tokenizer::SpecialTokens::kSkip);
  }
  /// The one folder of tokens in the cache.
  fs::path folder() const {
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(config_.cache_dir)) {
      if (entry.is_directory()) folders.push_back(entry.path());
    }
    EXPECT_EQ(folders.size(), 1u);
    return folders.at(0);
  }
  std::string error() {
    try {
      prepare();
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  }

  testing::TempDir dir_;
  tokenizer::Tokenizer tokenizer_ = make_test_tokenizer();
  DataConfig config_;
  std::vector<std::string> tokenized_;
};

TEST_F(PrepareTest, TokenisesOnceAndReusesWhatIsKept) {
  const auto first = prepare();
  EXPECT_THAT(tokenized_, ElementsAre("data.train.prose"));
  EXPECT_EQ(first.train[0].dataset.num_documents(), 5);
  const auto second = prepare();
  EXPECT_TRUE(tokenized_.empty());
  EXPECT_EQ(all(first.train[0].dataset), all(second.train[0].dataset));
  EXPECT_EQ(first.train[0].dataset.statistics().text_bytes,
            second.train[0].dataset.statistics().text_bytes);
  config_.verify_cache = false;
  prepare();
  EXPECT_TRUE(tokenized_.empty());
}

TEST_F(PrepareTest, TouchingAFileIsNoChangeWritingIt) {
  prepare();
  const auto path = dir_ / "text/2.txt";
  fs::last_write_time(path, fs::last_write_time(path) + std::chrono::hours(1));
  prepare();
  EXPECT_TRUE(tokenized_.empty());

  // The same size, and the same time to the clock's step: the content counts.
  const auto time = fs::last_write_time(path);
  std::string changed = dir_.read("text/2.txt");
  changed[0] = 'f';
  dir_.write("text/2.txt", changed);
  fs::last_write_time(path, time);
  const auto again = prepare();
  EXPECT_THAT(tokenized_, ElementsAre("data.train.prose"));
  folder();  // what was kept of the old content is gone
  i64 found = 0;
  for (i64 i = 0; i < 5; ++i) {
    std::string bytes = text(again.train[0].dataset, i);
    found += bytes.find("file 2") != std::string::npos;
  }
  EXPECT_LE(found, 1);
}

// rsync -t, tar and touch -d put another text in place and set the clock back.
TEST_F(PrepareTest, AFileReplacedByOneOfItsSizeAndTimeIsSeen) {
  const auto old = fs::file_time_type::clock::now() - std::chrono::hours(1);
  for (int i = 0; i < 5; ++i) {
    fs::last_write_time(dir_ / ("text/" + std::to_string(i) + ".txt"), old);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));  // until the note is trusted
  prepare();
  std::string changed = dir_.read("text/2.txt");
  changed[0] = 'f';
  dir_.write("text/2.txt", changed);
  fs::last_write_time(dir_ / "text/2.txt", old);
  prepare();
  EXPECT_THAT(tokenized_, ElementsAre("data.train.prose"));
}

TEST_F(PrepareTest, AddedAndRemovedFilesAreNoticed) {
  prepare();
  dir_.write("text/9.txt", "new");
  EXPECT_EQ(prepare().train[0].dataset.num_documents(), 6);
  EXPECT_EQ(tokenized_.size(), 1u);
  fs::remove(dir_ / "text/9.txt");
  EXPECT_EQ(prepare().train[0].dataset.num_documents(), 5);
  EXPECT_EQ(tokenized_.size(), 1u);
  folder();
}

TEST_F(PrepareTest, MovedTextIsKnownByItsContent) {
  prepare();
  fs::rename(dir_ / "text", dir_ / "moved");
  config_.train["prose"].paths = {(dir_ / "moved").string()};
  prepare();
  EXPECT_TRUE(tokenized_.empty());
}

TEST_F(PrepareTest, OptionsThatChangeTokensChangeTheKey) {
  prepare();
  const auto expect_new = [&](const char* what) {
    prepare();
    EXPECT_EQ(tokenized_.size(), 1u) << what;
    prepare();
    EXPECT_EQ(tokenized_.size(), 0u) << what;
  };
  config_.fim_rate = 0.2;
  expect_new("fim_rate");
  config_.transform_seed = 1;
  expect_new("transform_seed");
  config_.eos_token = "";
  expect_new("eos_token");
  config_.train["prose"].separator = "%";
  expect_new("separator");
  tokenizer_ = make_test_tokenizer({{"F", "i"}});
  expect_new("tokenizer");
  config_.seed = 99;
  config_.seq_len = 7;
  config_.isolate_documents = true;
  prepare();
  EXPECT_TRUE(tokenized_.empty()) << "shuffling and packing do not change tokens";
}

TEST_F(PrepareTest, DamagedTokensAreMadeAgain) {
  const auto expected = all(prepare().train[0].dataset);
  for (const char* name : {"tokens-00000.bin", "documents.bin", "manifest.json"}) {
    const fs::path path = folder() / name;
    std::string bytes = dir_.read(fs::relative(path, dir_.path()).string());
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    dir_.write(fs::relative(path, dir_.path()).string(), bytes);
    const auto again = prepare();
    EXPECT_EQ(tokenized_.size(), 1u) << name;
    EXPECT_EQ(all(again.train[0].dataset), expected) << name;

    fs::resize_file(path, bytes.size() - 2);
    EXPECT_EQ(all(prepare().train[0].dataset), expected) << name;
    EXPECT_EQ(tokenized_.size(), 1u) << name;

    fs::remove(path);
    EXPECT_EQ(all(prepare().train[0].dataset), expected) << name;
    EXPECT_EQ(tokenized_.size(), 1u) << name;
  }
  prepare();
  EXPECT_TRUE(tokenized_.empty());
}

TEST_F(PrepareTest, AKilledRunLeavesNothingThatCounts) {
  const auto expected = all(prepare().train[0].dataset);
  fs::remove(folder() / "manifest.json");
  std::ofstream(folder() / "tokens-00000.bin.tmp-1-1") << "half";
  EXPECT_EQ(all(prepare().train[0].dataset), expected);
  EXPECT_EQ(tokenized_.size(), 1u);
  EXPECT_FALSE(fs::exists(folder() / "tokens-00000.bin.tmp-1-1"));
}

TEST_F(PrepareTest, WhatKilledProcessesLeftIsRemoved) {
  prepare();
  const fs::path kept = folder();
  const fs::path left[] = {fs::path(config_.cache_dir) / "12.hashes.tmp-999999999-0",
                           kept / "tokens-00001.bin.tmp-999999999-4"};
  for (const fs::path& path : left) std::ofstream(path) << "half";
  prepare();
  for (const fs::path& path : left) EXPECT_FALSE(fs::exists(path)) << path;
}

TEST_F(PrepareTest, AFileThatChangesWhileItIsReadIsRefused) {
  SourceConfig source;
  source.paths = {(dir_ / "text/1.txt").string()};
  std::vector<SourceFile> files = value_or_throw(find_source_files(source, "x")).files;
  const DocumentEncoder encoder(tokenizer_, {});
  const TokenizeJob job = {.name = "x", .files = &files};
  fs::create_directory(dir_ / "tokens");
  for (i64 SourceFile::*mark : {&SourceFile::size_bytes, &SourceFile::modified_ns,
                                &SourceFile::changed_ns, &SourceFile::inode}) {
    files[0].*mark += 1;  // as it was when it was hashed
    try {
      tokenize_source(job, encoder, tokenizer_.vocab_size(), {}, dir_ / "tokens");
      ADD_FAILURE() << "taken for what it was";
    } catch (const Error& refused) {
      EXPECT_THAT(refused.message(), HasSubstr("1.txt: changed while it was read"));
    }
    files[0].*mark -= 1;
  }
  tokenize_source(job, encoder, tokenizer_.vocab_size(), {}, dir_ / "tokens");
}

TEST_F(PrepareTest, TheResultDoesNotDependOnThreads) {
  std::string lines;
  for (int i = 0; i < 2000; ++i) {
    lines += "{\"text\": \"Line " + std::to_string(i * 7919) + ".\\nthe other).\\n\"}\n";
    if (i % 100 == 50) lines += "{broken\n";
  }
  dir_.write("text/lines.jsonl", lines);
  const int before = num_threads();
  std::vector<std::vector<i32>> results;
  for (const int threads : {1, 2, 7}) {
    set_num_threads(threads);
    config_.cache_dir = (dir_ / ("cache" + std::to_string(threads))).string();
    const auto data = prepare();
    EXPECT_EQ(data.train[0].dataset.statistics().broken, 20);
    EXPECT_THAT(data.train[0].dataset.statistics().problems.at(0).place,
                HasSubstr("lines.jsonl:52:"));
    results.push_back(all(data.train[0].dataset));
  }
  set_num_threads(before);
  EXPECT_TRUE(results[0] == results[1] && results[0] == results[2]);
}

TEST_F(PrepareTest, NothingIsLostOrInvented) {
  config_.fim_rate = config_.split_rate = 0;
  dir_.write("a.jsonl", "{\"text\": \"json one\"}\n\n{\"text\": 2}\n{\"text\": \"json two\"}");
  dir_.write("b.txt.gz", gzip("zipped"));
  dir_.write("c.txt.zst", zstd("first\n%\nsecond\n%\n"));
  config_.train["prose"].paths = {(dir_ / "a.jsonl").string(), (dir_ / "b.txt.gz").string(),
                                  (dir_ / "c.txt.zst").string(), (dir_ / "text/0.txt").string()};
  config_.train["prose"].separator = "%";
  const auto data = prepare();
  const TokenDataset& dataset = data.train[0].dataset;
  std::vector<std::string> texts;
  for (i64 i = 0; i < dataset.num_documents(); ++i) texts.push_back(text(dataset, i));
  EXPECT_THAT(texts, ElementsAre("json one", "json two", "zipped", "first\n", "second\n",
                                 dir_.read("text/0.txt")));
  const SourceStatistics& statistics = dataset.statistics();
  EXPECT_EQ(statistics.files, 4);
  EXPECT_EQ(statistics.documents, 6);
  EXPECT_EQ(statistics.tokens, dataset.num_tokens());
  EXPECT_EQ(statistics.broken, 1);
  EXPECT_EQ(statistics.empty, 1);
  i64 bytes = 0;
  for (const std::string& each : texts) bytes += std::ssize(each);
  EXPECT_EQ(statistics.text_bytes, bytes);
  EXPECT_THAT(statistics.problems.at(0).place, HasSubstr("a.jsonl:3"));
  EXPECT_THAT(statistics.problems.at(0).text, HasSubstr("expected a string"));
}

TEST_F(PrepareTest, RatesAndCountsAgree) {
  config_.fim_rate = 0.25;
  config_.split_rate = 0.5;
  std::string lines;
  for (int i = 0; i < 4000; ++i) lines += "{\"text\": \"Line " + std::to_string(i) + ".\\nx\"}\n";
  dir_.write("text/lines.jsonl", lines);
  config_.train["prose"].paths = {(dir_ / "text/lines.jsonl").string()};
  config_.validation["prose"].paths = {(dir_ / "text/0.txt").string()};
  const auto data = prepare();
  const SourceStatistics& statistics = data.train[0].dataset.statistics();
  EXPECT_NEAR(static_cast<double>(statistics.fim_documents), 1000, 140);
  EXPECT_NEAR(static_cast<double>(statistics.split_tokens), 2000, 200);
  i64 holes = 0;
  for (const i32 id : all(data.train[0].dataset)) holes += id == *tokenizer_.token_to_id(kFimHole);
  EXPECT_EQ(holes, statistics.fim_documents);
  EXPECT_EQ(data.validation[0].dataset.statistics().fim_documents, 0);
  EXPECT_EQ(data.validation[0].dataset.statistics().split_tokens, 0);
  EXPECT_EQ(text(data.validation[0].dataset, 0), dir_.read("text/0.txt"));
}

TEST_F(PrepareTest, TokensOfAnEarlierReaderAreMadeAgainUnderTheirKey) {
  dir_.write("text/lines.jsonl", "{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
  const auto before = all(prepare().train[0].dataset);
  CacheManifest manifest = read_manifest(folder()).value();
  EXPECT_EQ(manifest.text_reader, kTextReader);
  manifest.text_reader = 1;
  write_manifest(folder(), manifest);
  tokenized_.clear();
  EXPECT_EQ(all(prepare().train[0].dataset), before);
  EXPECT_EQ(tokenized_.size(), 1u);
  EXPECT_EQ(read_manifest(folder())->text_reader, kTextReader);
  // Text without JSON lines and without damage has always been read like this.
  fs::remove(dir_ / "text/lines.jsonl");
  prepare();
  manifest = read_manifest(folder()).value();
  manifest.text_reader = 1;
  write_manifest(folder(), manifest);
  tokenized_.clear();
  prepare();
  EXPECT_TRUE(tokenized_.empty());
}

TEST_F(PrepareTest, AFileOfWhichMostLinesAreBrokenIsAnotherThing) {
  dir_.write("text/lines.jsonl", "{\"text\": \"fine\"}\n{broken\n{broken\n");
  EXPECT_THAT(
      error(),
      AllOf(HasSubstr("lines.jsonl: 2 of 3 lines hold no text (line 2:2: expected a member's name"),
            HasSubstr("(data.train.prose)")));
  EXPECT_THAT(error(), HasSubstr("2 of 3 lines")) << "nothing was kept of it";
  // It is enough to have seen so many lines.
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += i < 1000 ? "plain words\n" : "{\"text\": \"late\"}\n";
  dir_.write("text/lines.jsonl", lines);
  EXPECT_THAT(error(), AllOf(HasSubstr("1000 of 1000 lines hold no text"),
                             HasSubstr("it looks like plain text")));
  // Each file is counted for itself.
  dir_.write("text/lines.jsonl", "{\"text\": \"a\"}\n{broken\n");
  dir_.write("text/more.jsonl", "{broken\n{\"text\": \"a\"}\n");
  dir_.write("text/only.jsonl", "{broken\n");
  EXPECT_EQ(prepare().train[0].dataset.statistics().broken, 3);
}

TEST_F(PrepareTest, StrictStopsAtTheFirstProblemAlsoFromTheCache) {
  dir_.write("text/bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n");
  const auto data = prepare();
  EXPECT_EQ(data.train[0].dataset.statistics().broken, 1);
  config_.strict = true;
  EXPECT_THAT(error(), HasSubstr("bad.jsonl:2"));
  EXPECT_THAT(error(), HasSubstr("data.train.prose; data.strict"));
  config_.cache_dir = (dir_ / "other").string();
  EXPECT_THAT(error(), HasSubstr("bad.jsonl:2:"));
  dir_.write("text/bad.jsonl", "{\"text\": \"fine\"}\n");
  dir_.write("text/latin1.txt", "caf\xe9");
  EXPECT_THAT(error(), HasSubstr("latin1.txt: byte 4 is not UTF-8"));
  config_.strict = false;
  EXPECT_EQ(prepare().train[0].dataset.statistics().repaired, 1);
}

TEST_F(PrepareTest, BrokenCompressionIsReportedWithItsPlace) {
  std::string bytes = gzip("{\"text\": \"one\"}\n{\"text\": \"two\"}\n");
  bytes.resize(bytes.size() - 6);
  dir_.write("text/cut.jsonl.gz", bytes);
  const auto data = prepare();
  const SourceStatistics& statistics = data.train[0].dataset.statistics();
  EXPECT_EQ(statistics.broken, 1);
  EXPECT_EQ(statistics.documents, 7);
  EXPECT_THAT(statistics.problems.at(0).place, HasSubstr("cut.jsonl.gz"));
  EXPECT_THAT(statistics.problems.at(0).text, HasSubstr("ends early; what follows line 2 is lost"));
}

TEST_F(PrepareTest, TextWithoutTokensIsAnError) {
  dir_.write("empty.txt", "\n \n");
  config_.train["prose"].paths = {(dir_ / "empty.txt").string()};
  EXPECT_THAT(error(), HasSubstr("data.train.prose: no text in 1 files (0 broken, 1 empty"));
  config_.train["prose"].paths = {(dir_ / "nothing").string()};
  EXPECT_THAT(error(), HasSubstr("data.train.prose.paths: no file matches"));
  config_.bos_token = "<s>";
  EXPECT_THAT(error(), HasSubstr("no token `<s>`"));
}

TEST_F(PrepareTest, ValidationTextThatIsTrainedOnIsNoticed) {
  dir_.write("held.txt", dir_.read("text/3.txt"));
  config_.validation["held"].paths = {(dir_ / "held.txt").string()};
  EXPECT_EQ(error(), "");
  config_.strict = true;
  EXPECT_THAT(error(), HasSubstr("held.txt has the content of "));
  EXPECT_THAT(error(), HasSubstr("3.txt, which is training text"));
}

TEST_F(PrepareTest, SharesAreTheWeightsOrTheSizes) {
  dir_.write("long.txt", std::string(10'000, 'x'));
  config_.train["a"].paths = {(dir_ / "long.txt").string()};
  auto data = prepare();
  ASSERT_EQ(data.train[0].name, "a");
  auto shares = training_shares(data.train);
  EXPECT_NEAR(shares[0] + shares[1], 1.0, 1e-12);
  EXPECT_GT(shares[0], 0.9);
  config_.train["a"].weight = 1;
  config_.train["prose"].weight = 3;
  data = prepare();
  EXPECT_THAT(training_shares(data.train), ElementsAre(0.25, 0.75));
}

TEST_F(PrepareTest, ProcessesThatNeedTheSameTextShareIt) {
  std::string lines;
  for (int i = 0; i < 3000; ++i) lines += "{\"text\": \"Line " + std::to_string(i) + "\"}\n";
  dir_.write("text/lines.jsonl", lines);
  std::atomic<int> tokenized = 0;
  std::vector<std::vector<i32>> results(4);
  std::vector<std::thread> threads;
  for (auto& result : results) {
    threads.emplace_back([&] {
      const auto data = prepare_data(config_, tokenizer_, [&](const TokenizeProgress& progress) {
        tokenized += progress.done;
      });
      result = all(data.train[0].dataset);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(tokenized, 1);
  for (const auto& result : results) EXPECT_TRUE(result == results[0]);
}

TEST_F(PrepareTest, TheTableNamesWhatWasSkipped) {
  dir_.write("text/bad.jsonl", "{\"text\": \"fine\"}\n{\"text\": \n");
  dir_.write("text/other.py", "");
  config_.validation["held"].paths = {(dir_ / "text/0.txt").string()};
  const std::string table = format_statistics(prepare().statistics());
  EXPECT_THAT(table, HasSubstr("prose       100.0 %"));
  EXPECT_THAT(table, HasSubstr("held         valid."));
  EXPECT_THAT(table, HasSubstr("1 files of other kinds ignored, 1 BROKEN, skipped"));
  EXPECT_THAT(table, HasSubstr("bad.jsonl:2:"));
}

}  // namespace
}  // namespace fathom::data
