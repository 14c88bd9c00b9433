#include "tokenizer/train/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "testing/compress.h"
#include "testing/temp_dir.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kExtensions = {".txt", ".md", ".jsonl"};

/// Reads everything; checks that the parts cover the files in order and begin where they may.
std::vector<std::string> read_all(const Corpus& corpus, CutRule rule, CorpusReader::Sizes sizes,
                                  int* num_parts = nullptr) {
  CorpusReader reader(corpus, rule, sizes);
  CorpusBatch batch;
  std::vector<std::string> files(corpus.files.size());
  while (reader.next(batch)) {
    size_t end = 0;
    for (const CorpusPart& part : batch.parts) {
      EXPECT_EQ(part.begin, end) << "a hole in the batch";
      end = part.end;
      EXPECT_EQ(part.begins_document, files[part.file].empty());
      files[part.file] += batch.text(part);
      if (num_parts != nullptr) ++*num_parts;
    }
    EXPECT_EQ(end, batch.bytes.size());
  }
  return files;
}

TEST(FindCorpus, TakesFilesAsGivenAndFoldersByExtension) {
  const testing::TempDir dir;
  for (const char* folder : {"b/deep", "b/.git"}) fs::create_directories(dir / folder);
  dir.write("b/two.md", "22");
  dir.write("b/one.txt", "1");
  dir.write("b/deep/three.jsonl", "333");
  dir.write("b/program.py", "4444");
  dir.write("b/.hidden.txt", "55555");
  dir.write("b/.git/six.txt", "666666");
  dir.write("a.py", "7777777");
  const std::string root = dir.path().string();
  const auto corpus = find_corpus({root + "/a.py", root + "/b", root + "/b/one.txt"}, kExtensions);
  ASSERT_TRUE(corpus) << corpus.error().message();
  std::vector<std::string> names;
  for (const CorpusFile& file : corpus->files) names.push_back(fs::path(file.path).filename());
  EXPECT_THAT(names, ElementsAre("a.py", "three.jsonl", "one.txt", "two.md"));
  EXPECT_EQ(corpus->files[1].format, CorpusFormat::kJsonLines);
  EXPECT_EQ(corpus->files[2].format, CorpusFormat::kText);
  EXPECT_EQ(corpus->size_bytes, 7 + 3 + 1 + 2);
  EXPECT_EQ(corpus->ignored.size(), 1u);
}

TEST(FindCorpus, NamesEveryPathItCannotUse) {
  const testing::TempDir dir;
  const std::string root = dir.path().string();
  dir.write("good.txt", "good");
  dir.write("packed.jsonl", "BZh91AY&SY packed");
  dir.write("array.jsonl", "[\n{\"text\": \"a\"}\n]");
  dir.write("table.txt", "PAR1....");
  const auto corpus = find_corpus({root + "/good.txt", root + "/absent.txt", root + "/packed.jsonl",
                                   root + "/array.jsonl", root + "/table.txt", "/dev/null"},
                                  kExtensions);
  ASSERT_FALSE(corpus);
  EXPECT_THAT(corpus.error().message(),
              AllOf(HasSubstr("absent.txt: No such file"), HasSubstr("packed.jsonl: is bzip2"),
                    HasSubstr("array.jsonl: is one JSON array"), HasSubstr("table.txt: is Parquet"),
                    HasSubstr("/dev/null: is a device"), Not(HasSubstr("good.txt"))));
}

TEST(FindCorpus, CompressedTextIsReadWhateverItsName) {
  const testing::TempDir dir;
  dir.write("a.txt.gz", testing::gzip("in gzip"));
  dir.write("b.txt", testing::zstd("in zstd"));
  dir.write("c.jsonl.zst", testing::zstd("{}"));
  fs::create_directory_symlink(".", dir / "link");
  const auto corpus = find_corpus({dir.path().string()}, kExtensions);
  ASSERT_TRUE(corpus) << corpus.error().message();
  ASSERT_EQ(corpus->files.size(), 3u);
  EXPECT_EQ(corpus->files[2].format, CorpusFormat::kJsonLines);
  EXPECT_EQ(corpus->passed_over.at(0).reason, "a link to a folder, not followed");
  EXPECT_THAT(read_all(*corpus, CutRule::kDeepSeekV3, {}), ElementsAre("in gzip", "in zstd", "{}"));
}

TEST(FindCorpus, RefusesToTrainOnNothing) {
  const testing::TempDir dir;
  dir.write("program.py", "1");
  EXPECT_THAT(
      find_corpus({dir.path().string()}, kExtensions).error().message(),
      HasSubstr("no file with the extension .txt, .md, .jsonl in the folders given (1 other"));
  EXPECT_THAT(find_corpus({}, kExtensions).error().message(), HasSubstr("no file or folder"));
}

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> pieces;
  static const PreTokenizer pre_tokenizer = PreTokenizer::deepseek_v3();
  pre_tokenizer.split(text, [&](std::string_view piece) { pieces.emplace_back(piece); });
  return pieces;
}

TEST(SafeCut, PiecesOfThePartsAreThePiecesOfTheWhole) {
  // Characters of every class the pattern knows, line breaks more often than in any text.
  const std::vector<std::string_view> alphabet = {
      "\n",     "\n",   "\n",     "\r",     " ",      " ",          "\t",     "\v",     "\x85",
      "a",      "Z",    "é",      "\u0301", "7",      "²",          "٣",      "中",     "カ",
      "!",      "'",    "。",     "€",      "\x01",   "\x7f",       "\u00a0", "\u2003", "\u2028",
      "\u3000", "🙂", "\u200d", "\u00ad", "\ufeff", "\U000e0001", "\ufffd"};
  std::mt19937 random(3);
  int num_cuts = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string raw, repaired;
    for (size_t left = 2 + random() % 12; left > 0; --left) {
      raw += alphabet[random() % alphabet.size()];
    }
    const std::string_view text = valid_utf8(raw, repaired);
    const auto whole = pieces(text);
    for (size_t pos = 1; pos < text.size(); ++pos) {
      if (!safe_cut(text, pos)) continue;
      ++num_cuts;
      auto parts = pieces(text.substr(0, pos));
      const auto right = pieces(text.substr(pos));
      parts.insert(parts.end(), right.begin(), right.end());
      ASSERT_EQ(parts, whole) << ::testing::PrintToString(text) << " cut at " << pos;
    }
  }
  EXPECT_GT(num_cuts, 10'000);
}

TEST(SafeCut, SaysNoWherePiecesMaySpan) {
  EXPECT_TRUE(safe_cut("a\nb", 2));
  EXPECT_TRUE(safe_cut("a\n中", 2));
  EXPECT_FALSE(safe_cut("a\nb", 1));
  EXPECT_FALSE(safe_cut("a\nb", 3));
  EXPECT_FALSE(safe_cut("a\n", 2)) << "what follows is not known";
  EXPECT_FALSE(safe_cut("a\n b", 2)) << "\"\\n \" and more line breaks would be one piece";
  EXPECT_FALSE(safe_cut("a\n\u3000b", 2)) << "so would a wide space";
  EXPECT_FALSE(safe_cut("a\n\xe4\xb8", 2)) << "half a character";
}

TEST(CorpusReader, CutsLargeFilesAndPacksSmallOnes) {
  const testing::TempDir dir;
  std::vector<std::string> texts = {"", "small\n", std::string(3'000'000, 'x'), "", "no line end"};
  std::mt19937 random(4);
  std::string lines;
  while (lines.size() < 5'000'000) lines += std::string(random() % 90, 'y') + "\n";
  texts.push_back(lines);
  std::vector<std::string> paths;
  for (size_t i = 0; i < texts.size(); ++i) {
    paths.push_back(dir.write(std::to_string(i), texts[i]).string());
  }
  const auto corpus = find_corpus(paths, kExtensions);
  ASSERT_TRUE(corpus);
  const CorpusReader::Sizes small{.batch_bytes = 100'000, .part_bytes = 1000};
  int num_parts = 0;
  EXPECT_EQ(read_all(*corpus, CutRule::kDeepSeekV3, small, &num_parts), texts);
  EXPECT_GT(num_parts, 4000) << "the lines were cut";
  num_parts = 0;
  EXPECT_EQ(read_all(*corpus, CutRule::kWholeDocuments, small, &num_parts), texts);
  EXPECT_EQ(num_parts, 4);
  EXPECT_EQ(read_all(*corpus, CutRule::kDeepSeekV3, {}), texts);
}

TEST(CorpusReader, PartsOfJsonLinesKnowTheirLine) {
  const testing::TempDir dir;
  std::string lines;
  for (int i = 1; i <= 5000; ++i) lines += std::to_string(i) + "\n";
  dir.write("a.jsonl", lines);
  const auto corpus = find_corpus({(dir.path() / "a.jsonl").string()}, kExtensions);
  ASSERT_TRUE(corpus);
  CorpusReader reader(*corpus, CutRule::kDeepSeekV3, {.batch_bytes = 2000, .part_bytes = 100});
  CorpusBatch batch;
  int num_parts = 0;
  while (reader.next(batch)) {
    for (const CorpusPart& part : batch.parts) {
      ++num_parts;
      EXPECT_EQ(part.first_line, std::stoi(std::string(batch.text(part))));
    }
  }
  EXPECT_GT(num_parts, 100);
}

TEST(CorpusReader, RefusesAnEndlessLineByItsLimit) {
  const testing::TempDir dir;
  dir.write("a.txt", std::string(6 << 20, 'x'));
  const auto corpus = find_corpus({(dir.path() / "a.txt").string()}, kExtensions);
  ASSERT_TRUE(corpus);
  CorpusReader reader(*corpus, CutRule::kDeepSeekV3,
                      {.batch_bytes = 1000, .max_batch_bytes = 4 << 20});
  CorpusBatch batch;
  try {
    reader.next(batch);
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("a.txt"), HasSubstr("4.00 MiB")));
  }
}

TEST(CorpusReader, ThrowsWhenAFileHasGone) {
  const testing::TempDir dir;
  dir.write("a.txt", "text");
  const auto corpus = find_corpus({(dir.path() / "a.txt").string()}, kExtensions);
  ASSERT_TRUE(corpus);
  fs::remove(dir.path() / "a.txt");
  CorpusReader reader(*corpus, CutRule::kDeepSeekV3, {});
  CorpusBatch batch;
  EXPECT_THROW(reader.next(batch), Error);
}

}  // namespace
}  // namespace fathom::tokenizer
