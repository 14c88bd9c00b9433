#include "data/text/source_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "testing/compress.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class SourceFilesTest : public ::testing::Test {
 protected:
  SourceFilesTest() {
    fs::create_directories(dir_ / "books/deep/er");
    fs::create_directories(dir_ / ".git");
    for (const char* name : {"books/b.txt", "books/a.md", "books/c.py", "books/deep/d.jsonl.gz",
                             "books/deep/er/e.txt.zst", "books/.hidden.txt", ".git/x.txt",
                             "books/noextension", "books/odd[1].txt"}) {
      dir_.write(name, "text");
    }
    dir_.write("books/deep/d.jsonl.gz", testing::gzip("{\"text\": \"a\"}\n"));
    dir_.write("books/deep/er/e.txt.zst", testing::zstd("text"));
  }

  std::vector<std::string> names(const SourceFiles& found) const {
    std::vector<std::string> names;
    for (const SourceFile& file : found.files) {
      names.push_back(file.path.lexically_relative(dir_.path()).string());
    }
    return names;
  }
  Result<SourceFiles> find(const std::vector<std::string>& paths) {
    source_.paths.clear();
    for (const std::string& path : paths) source_.paths.push_back((dir_ / path).string());
    return find_source_files(source_, "data.train.x");
  }

  testing::TempDir dir_;
  SourceConfig source_;
};

TEST_F(SourceFilesTest, FoldersAreReadWholeByExtension) {
  const auto found = find({"books"});
  ASSERT_TRUE(found) << found.error().message();
  EXPECT_THAT(names(*found), ElementsAre("books/a.md", "books/b.txt", "books/deep/d.jsonl.gz",
                                         "books/deep/er/e.txt.zst", "books/odd[1].txt"));
  EXPECT_THAT(found->ignored,
              ElementsAre((dir_ / "books/c.py").string(), (dir_ / "books/noextension").string()));
  EXPECT_EQ(found->files[0].format, SourceFormat::kText);
  EXPECT_EQ(found->files[2].format, SourceFormat::kJsonl);
  EXPECT_EQ(found->files[2].compression, Compression::kGzip);
  EXPECT_EQ(found->files[3].format, SourceFormat::kText);
  EXPECT_EQ(found->files[3].compression, Compression::kZstd);
  EXPECT_EQ(found->files[0].size_bytes, 4);
}

TEST_F(SourceFilesTest, ExtensionsAndFormatCanBeChosen) {
  source_.extensions = {".py"};
  source_.format = SourceFormat::kJsonl;
  auto found = find({"books"});
  ASSERT_TRUE(found);
  EXPECT_THAT(names(*found), ElementsAre("books/c.py"));
  EXPECT_EQ(found->files[0].format, SourceFormat::kJsonl);
  source_.extensions = {"*"};
  found = find({"books"});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->files.size(), 7u);
  EXPECT_THAT(found->ignored, IsEmpty());
}

TEST_F(SourceFilesTest, GlobsAndFilesAreTakenAsNamedAndNoneTwice) {
  auto found = find({"books/c.py", "books/*.[mp]*", "books/**/*.zst", "books"});
  ASSERT_TRUE(found);
  EXPECT_THAT(names(*found),
              ElementsAre("books/c.py", "books/a.md", "books/deep/er/e.txt.zst", "books/b.txt",
                          "books/deep/d.jsonl.gz", "books/odd[1].txt"));
  found = find({"books/odd[1].txt"});
  ASSERT_TRUE(found);
  EXPECT_THAT(names(*found), ElementsAre("books/odd[1].txt"));
  found = find({"*/noext*"});
  ASSERT_TRUE(found);
  EXPECT_THAT(names(*found), ElementsAre("books/noextension"));
}

TEST_F(SourceFilesTest, RelativePathsAndDotsNameTheSameFile) {
  const fs::path before = fs::current_path();
  fs::current_path(dir_.path());
  source_.paths = {"books/a.md", "./books/../books/a.md", "books/**"};
  source_.extensions = {};
  const auto found = find_source_files(source_, "data.train.x");
  fs::current_path(before);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->files.size(), 7u);
  EXPECT_TRUE(found->files[0].path.is_absolute());
}

TEST_F(SourceFilesTest, LinksToFoldersAreNotFollowed) {
  fs::create_directory_symlink("..", dir_ / "books/deep/up");
  fs::create_symlink("../a.md", dir_ / "books/deep/link.md");
  const auto found = find({"books/deep"});
  ASSERT_TRUE(found);
  EXPECT_THAT(names(*found), ElementsAre("books/deep/d.jsonl.gz", "books/deep/er/e.txt.zst",
                                         "books/deep/link.md"));
}

TEST_F(SourceFilesTest, WhatIsPassedOverIsNamedWithItsReason) {
  fs::create_directory_symlink("..", dir_ / "books/deep/up");  // leads back up
  fs::create_symlink("nowhere", dir_ / "books/deep/gone.md");
  fs::create_symlink("loop.md", dir_ / "books/deep/loop.md");
  fs::create_directory(dir_ / "books/deep/empty");
  ASSERT_EQ(::mkfifo((dir_ / "books/deep/pipe.txt").c_str(), 0600), 0);
  const auto found = find({"books"});
  ASSERT_TRUE(found);
  std::vector<std::string> passed;
  for (const auto& [path, reason] : found->passed_over) {
    passed.push_back(fs::path(path).lexically_relative(dir_.path()).string() + ": " + reason);
  }
  EXPECT_THAT(passed, ElementsAre("books/.hidden.txt: hidden: its name begins with a dot",
                                  "books/deep/gone.md: a link to nothing",
                                  "books/deep/loop.md: a link to nothing",
                                  "books/deep/pipe.txt: a pipe, not a file",
                                  "books/deep/up: a link to a folder, not followed"));
  const auto globbed = find({"books/deep/*"});
  ASSERT_TRUE(globbed);
  EXPECT_EQ(globbed->passed_over.size(), 6u) << "and two folders, without the hidden file";
  EXPECT_EQ(find({"books/**/*.zst"})->passed_over.size(), 1u) << "the link that is not followed";
}

TEST_F(SourceFilesTest, FirstBytesSayHowAFileIsCompressed) {
  dir_.write("packed.txt", testing::gzip("packed"));
  dir_.write("packed.md", testing::zstd("packed"));
  dir_.write("unpacked.txt.gz", "was unpacked under its old name");
  dir_.write("UPPER.JSONL.GZ", testing::gzip("{}"));
  dir_.write("short.gz", "");
  const auto found =
      find({"packed.txt", "packed.md", "unpacked.txt.gz", "UPPER.JSONL.GZ", "short.gz"});
  ASSERT_TRUE(found) << found.error().message();
  std::vector<Compression> kinds;
  for (const SourceFile& file : found->files) kinds.push_back(file.compression);
  EXPECT_THAT(kinds, ElementsAre(Compression::kGzip, Compression::kZstd, Compression::kNone,
                                 Compression::kGzip, Compression::kGzip));
  EXPECT_EQ(found->files[3].format, SourceFormat::kJsonl);
}

TEST_F(SourceFilesTest, FilesThatAreNoTextStopTheRunAllNamed) {
  dir_.write("books/x.txt", "PAR1....");
  dir_.write("books/y.txt", "%PDF-1.7\n");
  dir_.write("books/z.md", testing::gzip("PAR1...."));
  const auto found = find({"books"});
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message(),
              AllOf(StartsWith("data.train.x.paths: cannot be trained on:"),
                    HasSubstr("books/x.txt: is Parquet, expected text"),
                    HasSubstr("books/y.txt: is PDF, expected text"),
                    HasSubstr("books/z.md: is Parquet inside gzip, expected text")));
  ASSERT_EQ(::mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(find({"pipe"}).error().message(), HasSubstr("pipe: is a pipe, expected a file"));
  EXPECT_THAT(find({"../../dev/null"}).error().message(), HasSubstr("is a device"));
}

TEST_F(SourceFilesTest, JsonOfAnotherFormSaysWhatToDo) {
  const auto problem = [&](std::string_view name, std::string_view text) {
    dir_.write(name, text);
    const auto found = find({std::string(name)});
    return found ? "" : found.error().message();
  };
  EXPECT_THAT(problem("a.jsonl", "[\n{\"text\":\"a\"}\n]\n"),
              HasSubstr("a.jsonl: is one JSON array, expected an object a line; jq -c"));
  EXPECT_THAT(problem("a.json", "[{\"text\":\"a\"}]"),
              AllOf(HasSubstr("is one JSON array"), HasSubstr("format = \"text\"")));
  EXPECT_THAT(problem("b.json", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"),
              HasSubstr("holds JSON lines with a member `text`; format = \"jsonl\""));
  EXPECT_THAT(problem("b.jsonl", "{\n \"text\": \"a\"\n}\n"),
              HasSubstr("is JSON objects over several lines"));
  EXPECT_EQ(problem("package.json", "{\n \"name\": \"a\"\n}\n"), "") << "as any text";
  EXPECT_EQ(problem("c.ndjson", "{\"text\":\"a\"}\n"), "");
  EXPECT_EQ(problem("list.txt", "[1] a note\n"), "");
  EXPECT_THAT(problem("b.txt", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n"),
              HasSubstr("b.txt: holds JSON lines"));
  EXPECT_EQ(problem("c.txt", "{\"text\":\"a\"}\nis what a line of JSON looks like\n"), "");
  EXPECT_EQ(problem("d.txt", "{\"id\":\"a\"}\n{\"id\":\"b\"}\n"), "");
  source_.format = SourceFormat::kText;
  EXPECT_EQ(problem("a.json", "[{\"text\":\"a\"}]"), "");
  source_.format = SourceFormat::kJsonl;
  EXPECT_THAT(problem("a.txt", "\xEF\xBB\xBF \n[1,\n2]"), HasSubstr("is one JSON array"));
}

TEST_F(SourceFilesTest, PathsThatGiveNothingAreErrors) {
  const auto missing = find({"books/*.rst"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("data.train.x.paths: no file matches"));
  fs::create_symlink("nowhere", dir_ / "gone.txt");
  EXPECT_THAT(find({"gone.txt"}).error().message(), HasSubstr("gone.txt: a link to nothing"));
  source_.extensions = {".rst"};
  const auto empty = find({"books"});
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message(), AllOf(HasSubstr("has one of the extensions .rst"),
                                             HasSubstr("books/a.md"), HasSubstr("and 3 more")));
}

TEST_F(SourceFilesTest, UnreadableFoldersAreNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root reads everything";
  fs::permissions(dir_ / "books/deep", fs::perms::none);
  const auto found = find({"books"});
  fs::permissions(dir_ / "books/deep", fs::perms::owner_all);
  ASSERT_TRUE(found);
  EXPECT_THAT(found->unreadable, ElementsAre((dir_ / "books/deep").string()));
}

}  // namespace
}  // namespace fathom::data
