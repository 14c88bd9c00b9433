#include "data/text/source_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "data/text/glob.h"
#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Glob, MatchesOneComponent) {
  const struct {
    std::string_view pattern, name;
    bool matches;
  } kCases[] = {
      {"a", "a", true},
      {"a", "b", false},
      {"", "", true},
      {"*", "", true},
      {"*", "abc", true},
      {"*.txt", "a.txt", true},
      {"*.txt", "a.txt.gz", false},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"?", "x", true},
      {"?", "", false},
      {"a?c", "abc", true},
      {"[abc]", "b", true},
      {"[abc]", "d", false},
      {"[a-c]x", "bx", true},
      {"[!a-c]", "d", true},
      {"[!a-c]", "b", false},
      {"[]]", "]", true},
      {"[a-]", "-", true},
      {"[", "[", true},
      {"[ab", "[ab", true},
      {"*", ".hidden", false},
      {".*", ".hidden", true},
      {"a[0-9]*.md", "a7b.md", true},
      {"**", "x", true},
      {"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(matches_component(each.pattern, each.name), each.matches)
        << each.pattern << " against " << each.name;
  }
}

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
  }

  std::vector<std::string> names(const SourceFiles& found) const {
    std::vector<std::string> names;
    for (const SourceFile& file : found.files) {
      names.push_back(file.path.lexically_relative(dir_.path()).string());
    }
    return names;
  }
  Result<SourceFiles> find(std::vector<std::string> paths) {
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
  EXPECT_EQ(found->ignored_files, 2);
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
  EXPECT_EQ(found->ignored_files, 0);
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

TEST_F(SourceFilesTest, PathsThatGiveNothingAreErrors) {
  const auto missing = find({"books/*.rst"});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("data.train.x.paths: no file matches"));
  source_.extensions = {".rst"};
  const auto empty = find({"books"});
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().message(), HasSubstr("has one of the extensions .rst"));
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
