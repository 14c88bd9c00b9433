#include "io/text/byte_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/compress.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using testing::gzip;
using testing::sample_text;
using ::testing::StartsWith;
using testing::zstd;

std::string read_all(ByteReader& reader, size_t chunk_bytes, std::string* error = nullptr) {
  std::string text;
  std::vector<u8> chunk(chunk_bytes);
  while (true) {
    const auto count = reader.read(chunk);
    if (!count) {
      if (error != nullptr) *error = count.error().message();
      return text;
    }
    if (*count == 0) return text;
    text.append(reinterpret_cast<const char*>(chunk.data()), *count);
  }
}

TEST(ByteReader, ReadsPlainGzipAndZstdInAnyChunks) {
  testing::TempDir dir;
  const std::string text = sample_text(700'000);
  const struct {
    std::string name;
    std::string bytes;
    Compression compression;
  } kCases[] = {
      {"plain", text, Compression::kNone},
      {"one.gz", gzip(text), Compression::kGzip},
      {"members.gz", gzip(text.substr(0, 1000)) + gzip("") + gzip(text.substr(1000)),
       Compression::kGzip},
      {"one.zst", zstd(text), Compression::kZstd},
      {"frames.zst", zstd(text.substr(0, 300'000)) + zstd("") + zstd(text.substr(300'000)),
       Compression::kZstd},
  };
  for (const auto& each : kCases) {
    const auto path = dir.write(each.name, each.bytes);
    for (const size_t chunk : {size_t{1000}, size_t{65536}, size_t{1} << 20}) {
      auto reader = ByteReader::open(path, each.compression);
      ASSERT_TRUE(reader);
      std::string error;
      EXPECT_TRUE(read_all(**reader, chunk, &error) == text) << each.name << ", " << chunk;
      EXPECT_EQ(error, "");
      EXPECT_EQ((*reader)->file_bytes_read(), std::ssize(each.bytes)) << each.name;
    }
  }
}

TEST(ByteReader, EmptyCompressedFilesAreTruncatedNotEmpty) {
  testing::TempDir dir;
  const auto path = dir.write("empty", "");
  for (const auto& [compression, text] :
       {std::pair{Compression::kGzip, "the gzip data ends early"},
        std::pair{Compression::kZstd, "the zstd data ends early"}}) {
    auto reader = ByteReader::open(path, compression);
    ASSERT_TRUE(reader);
    std::string error;
    EXPECT_EQ(read_all(**reader, 100, &error), "");
    EXPECT_EQ(error, text);
  }
}

TEST(ByteReader, EveryTruncationIsNoticedAndWhatCameBeforeIsGood) {
  testing::TempDir dir;
  const std::string text = sample_text(500);
  for (const auto& [compressed, compression] :
       {std::pair{gzip(text), Compression::kGzip}, std::pair{zstd(text), Compression::kZstd}}) {
    for (size_t size = 0; size < compressed.size(); size += size < 30 ? 1 : 7) {
      const auto path = dir.write("cut", std::string_view(compressed).substr(0, size));
      auto reader = ByteReader::open(path, compression);
      ASSERT_TRUE(reader);
      std::string error;
      EXPECT_THAT(text, StartsWith(read_all(**reader, 512, &error)));
      EXPECT_NE(error, "") << size << " of " << compressed.size();
    }
  }
}

TEST(ByteReader, DamageIsNoticedOrHarmless) {
  testing::TempDir dir;
  const std::string text = sample_text(500);
  const std::string good = gzip(text);
  for (size_t at = 0; at < good.size(); at += at < 30 ? 1 : 7) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x41);
    auto reader = ByteReader::open(dir.write("bad", bytes), Compression::kGzip);
    ASSERT_TRUE(reader);
    std::string error;
    const std::string got = read_all(**reader, 512, &error);
    EXPECT_TRUE(!error.empty() || got == text) << "byte " << at;  // time, name: no part of the text
  }
}

TEST(ByteReader, MissingFilesAreNotFound) {
  const auto reader = ByteReader::open("/no/such/file", Compression::kNone);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), ErrorCode::kNotFound);
}

// What zstd --long=31 writes: a window of 2 GiB, of which nothing is needed for a short text.
TEST(ByteReader, TheLongestWindowOfZstdIsRead) {
  testing::TempDir dir;
  const std::string text = sample_text(700'000);
  for (const int window_log : {27, 28, 31}) {
    auto reader =
        ByteReader::open(dir.write("long.zst", zstd(text, window_log)), Compression::kZstd);
    ASSERT_TRUE(reader);
    std::string error;
    EXPECT_TRUE(read_all(**reader, 1 << 16, &error) == text) << window_log;
    EXPECT_EQ(error, "");
  }
}

TEST(ByteReader, CompressionByName) {
  EXPECT_EQ(compression_of_name("a.txt.gz"), Compression::kGzip);
  EXPECT_EQ(compression_of_name("A.TXT.GZ"), Compression::kGzip);
  EXPECT_EQ(compression_of_name("a.jsonl.zst"), Compression::kZstd);
  EXPECT_EQ(compression_of_name("a.gzip"), Compression::kNone);
  EXPECT_EQ(compression_of_name("gz"), Compression::kNone);
  EXPECT_EQ(without_compression("a.jsonl.zst"), "a.jsonl");
  EXPECT_EQ(without_compression("a.txt"), "a.txt");
}

}  // namespace
}  // namespace fathom::io
