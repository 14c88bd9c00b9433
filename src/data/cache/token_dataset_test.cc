#include "data/cache/token_dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "data/cache/token_writer.h"
#include "data/packed_stream.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

using ::testing::HasSubstr;
using Verify = TokenDataset::Verify;

constexpr io::Hash128 kKey = {1, 2};

using Documents = std::vector<std::vector<i32>>;

Documents random_documents(i64 count, i64 max_tokens, i64 vocab_size, u64 seed) {
  const Philox random(seed, 0);
  u64 counter = 0;
  const auto draw = [&](i64 bound) {
    return static_cast<i64>(random.uniform(counter++) * static_cast<double>(bound));
  };
  Documents documents(static_cast<size_t>(count));
  for (auto& document : documents) {
    document.resize(static_cast<size_t>(1 + draw(max_tokens)));
    for (i32& id : document) id = static_cast<i32>(draw(vocab_size));
  }
  return documents;
}

void write(const Documents& documents, const std::filesystem::path& folder, i64 vocab_size,
           i64 shard_tokens) {
  std::filesystem::create_directories(folder);
  TokenWriter writer(folder, vocab_size, shard_tokens);
  CacheManifest manifest;
  manifest.key = kKey;
  for (const auto& document : documents) {
    writer.add(document);
    ++manifest.statistics.documents;
    manifest.statistics.tokens += std::ssize(document);
  }
  manifest.statistics.add_problem({"place", "\"text\""});
  writer.finish(manifest);
  write_manifest(folder, manifest);
}

std::vector<i32> flat(const Documents& documents) {
  std::vector<i32> all;
  for (const auto& document : documents) all.insert(all.end(), document.begin(), document.end());
  return all;
}

TEST(TokenDataset, HoldsWhatWasWritten) {
  testing::TempDir dir;
  for (const i64 vocab_size : {100, 65536, 65537}) {
    for (const i64 shard_tokens : {300, 1 << 20}) {
      const Documents documents = random_documents(300, 20, vocab_size, 4);
      const auto folder = dir / std::to_string(vocab_size) / std::to_string(shard_tokens);
      write(documents, folder, vocab_size, shard_tokens);
      const auto dataset = TokenDataset::open(folder, kKey, Verify::kChecksums);
      ASSERT_TRUE(dataset) << dataset.error().message();
      ASSERT_EQ(dataset->num_documents(), 300);
      EXPECT_EQ(dataset->num_tokens(), std::ssize(flat(documents)));
      EXPECT_EQ(dataset->statistics().problems.at(0).text, "\"text\"");
      for (i64 i = 0; i < 300; ++i) {
        const auto& expected = documents[static_cast<size_t>(i)];
        ASSERT_EQ(dataset->document_tokens(i), std::ssize(expected));
        std::vector<i32> got(expected.size());
        dataset->copy(i, 0, got);
        ASSERT_EQ(got, expected);
        dataset->copy(i, std::ssize(expected) - 1, std::span(got).first(1));
        EXPECT_EQ(got[0], expected.back());
      }
      const auto bytes = std::filesystem::file_size(shard_path(folder, 0));
      if (shard_tokens == 1 << 20) {
        EXPECT_EQ(bytes, flat(documents).size() * (vocab_size <= 65536 ? 2 : 4));
      }
    }
  }
}

TEST(TokenDataset, OtherKeysAndMissingFilesAreRefused) {
  testing::TempDir dir;
  const auto missing = TokenDataset::open(dir / "none", kKey, Verify::kSizes);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  write(random_documents(10, 10, 100, 1), dir.path(), 100, 20);
  const auto other = TokenDataset::open(dir.path(), {1, 3}, Verify::kSizes);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().message(), HasSubstr("other text or another tokenizer"));
  std::filesystem::remove(shard_path(dir.path(), 1));
  EXPECT_FALSE(TokenDataset::open(dir.path(), kKey, Verify::kSizes));
}

TEST(TokenDataset, AShardThatEndsInsideADocumentIsRefused) {
  testing::TempDir dir;
  const Documents documents = {{1, 2, 3}, {4, 5, 6}};
  write(documents, dir.path(), 100, 3);
  auto manifest = read_manifest(dir.path());
  ASSERT_TRUE(manifest) << manifest.error().message();
  ASSERT_EQ(manifest->shards.size(), 2u);
  manifest->shards[0].tokens = 2;
  manifest->shards[1].tokens = 4;
  write_manifest(dir.path(), *manifest);
  dir.write("tokens-00000.bin", std::string(2 * 2, '\1'));
  dir.write("tokens-00001.bin", std::string(4 * 2, '\1'));
  const auto opened = TokenDataset::open(dir.path(), kKey, Verify::kSizes);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("ends inside a document"));
}

TEST(TokenDataset, EveryChangedByteIsNoticed) {
  testing::TempDir dir;
  write(random_documents(12, 8, 300, 2), dir.path(), 300, 30);
  for (const std::string name :
       {"manifest.json", "documents.bin", "tokens-00000.bin", "tokens-00001.bin"}) {
    const std::string good = dir.read(name);
    ASSERT_FALSE(good.empty());
    const size_t step = name == "manifest.json" ? 7 : 1;
    for (size_t at = 0; at < good.size(); at += step) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << (at % 8)));
      dir.write(name, bad);
      const auto dataset = TokenDataset::open(dir.path(), kKey, Verify::kChecksums);
      // White space of the manifest is no content, nor is the case of a hash's digits.
      const bool is_same = good[at] <= ' ' || (bad[at] ^ good[at]) == ('a' ^ 'A');
      EXPECT_TRUE(!dataset || (name == "manifest.json" && is_same)) << name << ", " << at;
    }
    for (const size_t size : {size_t{0}, good.size() / 2, good.size() - 1}) {
      dir.write(name, std::string_view(good).substr(0, size));
      EXPECT_FALSE(TokenDataset::open(dir.path(), kKey, Verify::kSizes) && name != "manifest.json")
          << name << " of " << size;
    }
    dir.write(name, good);
  }
  EXPECT_TRUE(TokenDataset::open(dir.path(), kKey, Verify::kChecksums));
}

TEST(TokenDataset, DamageAfterOpeningIsAnErrorNotACrash) {
  testing::TempDir dir;
  write({{1, 2, 3}}, dir.path(), 100, 1 << 20);
  dir.write("tokens-00000.bin", std::string("\x01\x00\xff\xff\x03\x00", 6));
  const auto dataset = TokenDataset::open(dir.path(), kKey, Verify::kSizes);
  ASSERT_TRUE(dataset);
  std::vector<i32> ids(3);
  EXPECT_THROW(dataset->copy(0, 0, ids), Error);
  EXPECT_NO_THROW(dataset->copy(0, 0, std::span(ids).first(1)));
}

TEST(PackedStream, LosesNothingInAnyOrder) {
  testing::TempDir dir;
  const Documents documents = random_documents(1000, 30, 200, 3);
  write(documents, dir.path(), 200, 5000);
  const auto dataset = value_or_throw(TokenDataset::open(dir.path(), kKey, Verify::kChecksums));
  for (const bool shuffled : {false, true}) {
    const Permutation order = shuffled ? Permutation(1000, 8, 9) : Permutation(1000);
    std::vector<i32> expected;
    for (i64 i = 0; i < 1000; ++i) {
      const auto& document = documents[static_cast<size_t>(order.at(i))];
      expected.insert(expected.end(), document.begin(), document.end());
    }
    const PackedStream stream(dataset, order);
    ASSERT_EQ(stream.num_tokens(), std::ssize(expected));
    for (const i64 length : {1, 7, 64, 1000, 40'000}) {
      for (i64 begin = 0; begin < stream.num_tokens(); begin += std::max<i64>(length, 97)) {
        std::vector<i32> got;
        stream.walk(begin, length, [&](const PackedStream::Piece& piece) {
          std::vector<i32> ids(static_cast<size_t>(piece.count));
          dataset.copy(piece.document, piece.begin, ids);
          got.insert(got.end(), ids.begin(), ids.end());
        });
        ASSERT_EQ(std::ssize(got), length);
        for (i64 i = 0; i < length; ++i) {
          ASSERT_EQ(got[static_cast<size_t>(i)],
                    expected[static_cast<size_t>((begin + i) % stream.num_tokens())]);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom::data
