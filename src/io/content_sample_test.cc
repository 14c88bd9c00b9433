#include "io/content_sample.h"

#include <gmock/gmock.h>

#include <fstream>
#include <set>

#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

ContentSample sample(const fs::path& path) {
  const auto found = sample_content(path);
  EXPECT_TRUE(found.has_value()) << (found ? "" : found.error().message());
  return found.value_or(ContentSample());
}

TEST(ContentSample, StaysWhileNothingChanges) {
  const testing::TempDir directory;
  write(directory.path() / "a", std::string(1 << 20, 'x'));
  write(directory.path() / "b", "small");
  const ContentSample first = sample(directory.path()), again = sample(directory.path());
  EXPECT_EQ(first.content.size(), 32u);
  EXPECT_EQ(first.content, again.content);
  EXPECT_EQ(first.this_write, again.this_write);
}

TEST(ContentSample, EveryChangeIsSeen) {
  const testing::TempDir directory;
  const fs::path file = directory.path() / "weights";
  const auto of = [&](const std::string& name, const std::string& text) {
    fs::remove(file);
    write(directory.path() / name, text);
    const std::string digest = sample(directory.path()).content;
    fs::remove(directory.path() / name);
    return digest;
  };
  const std::string small = "0123456789", large(3 << 20, 'x');
  std::set<std::string> seen = {of("weights", small), of("weights", large), of("other", small),
                                of("weights", small + "x"), of("weights", large + "x")};
  std::string changed = small;
  changed[4] = 'x';
  seen.insert(of("weights", changed));
  for (const double part : {0.0, 0.5, 1.0}) {  // a stretch of a twentieth, anywhere
    changed = large;
    const size_t length = large.size() / 20;
    const auto begin = static_cast<size_t>(part * static_cast<double>(large.size() - length));
    changed.replace(begin, length, length, 'y');
    seen.insert(of("weights", changed));
  }
  changed = large;
  changed.back() = 'y';
  seen.insert(of("weights", changed));
  EXPECT_EQ(seen.size(), 10u);
}

TEST(ContentSample, ALaterWriteIsAnotherContent) {
  const testing::TempDir directory;
  const fs::path file = directory.path() / "weights";
  write(file, "text");
  const ContentSample before = sample(file);
  fs::last_write_time(file, fs::last_write_time(file) + std::chrono::seconds(1));
  EXPECT_NE(sample(file).this_write, before.this_write);
  EXPECT_EQ(sample(file).content, before.content);
}

TEST(ContentSample, NamesTheFileThatIsMissing) {
  const auto text = sample_content("/there/is/no/such/file");
  ASSERT_FALSE(text.has_value());
  EXPECT_THAT(text.error().message(), ::testing::HasSubstr("/there/is/no/such/file"));
}

}  // namespace
}  // namespace fathom::io
