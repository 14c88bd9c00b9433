#include "engine/cache/page_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "base/error.h"
#include "engine/cache/test_pages.h"
#include "testing/temp_dir.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

class PageFileTest : public ::testing::Test {
 protected:
  StoredPage page_of(const std::vector<i32>& ids, i64 exact_tokens) {
    StoredPage page;
    page.owner = hasher_.owner("alice");
    page.space = hasher_.root({"alice", ""});
    page.parent = page.space;
    page.key = hasher_.next(page.parent, ids);
    page.tokens = std::ssize(ids);
    page.exact_tokens = exact_tokens;
    std::copy(ids.begin(), ids.end(), page.ids.begin());
    return page;
  }
  std::vector<u8> rows_of(i64 tokens) {
    std::vector<u8> rows(static_cast<size_t>(format_.rows_bytes(tokens)));
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<u8>(i * 7 + 1);
    return rows;
  }
  fs::path write(const StoredPage& page) {
    fs::path path = dir_ / page_file_name(page.key);
    write_page_file(path, format_, page, rows_of(page.tokens));
    return path;
  }
  PageFileState read(const fs::path& path, const StoredPage& page) {
    data_.assign(static_cast<size_t>(format_.shape.page_bytes()), 0xee);
    return read_page_file(path, format_, page, data_.data());
  }

  testing::TempDir dir_;
  ChainHasher hasher_{ChainSecret{1, 2, 3}};
  RowFormat format_ = {{1, 2}, {.layers = 3, .row_bytes = 5}};
  std::vector<u8> data_;
};

TEST_F(PageFileTest, ThereAndBack) {
  for (const i64 tokens : {1, 100, 128}) {
    const StoredPage page = page_of(counting(tokens), tokens - 1);
    const fs::path path = write(page);
    EXPECT_EQ(static_cast<i64>(fs::file_size(path)), page_file_bytes(format_, tokens));
    struct stat status = {};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0600u);

    const PageFileInfo info = read_page_header(path, format_);
    ASSERT_EQ(info.state, PageFileState::kSound);
    EXPECT_EQ(info.page.owner, page.owner);
    EXPECT_EQ(info.page.space, page.space);
    EXPECT_EQ(info.page.parent, page.parent);
    EXPECT_EQ(info.page.key, page.key);
    EXPECT_EQ(info.page.exact_tokens, tokens - 1);
    EXPECT_EQ(info.page.ids, page.ids);
    EXPECT_GT(info.used_ns, 0);

    ASSERT_EQ(read(path, page), PageFileState::kSound);
    const std::vector<u8> rows = rows_of(tokens);
    for (i64 layer = 0; layer < 3; ++layer) {
      for (i64 byte = 0; byte < 128 * 5; ++byte) {
        const u8 expected =
            byte < tokens * 5 ? rows[static_cast<size_t>(layer * tokens * 5 + byte)] : 0xee;
        ASSERT_EQ(data_[static_cast<size_t>(layer * 128 * 5 + byte)], expected) << layer;
      }
    }
  }
}

TEST_F(PageFileTest, EveryFlippedBitIsSeen) {
  const StoredPage page = page_of(counting(3), 3);
  const fs::path path = write(page);
  const i64 size = page_file_bytes(format_, 3);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto flip = [&file](i64 offset) {
    file.seekg(offset);
    const int byte = file.get();
    file.seekp(offset);
    file.put(static_cast<char>(byte ^ (1 << offset % 8))).flush();
  };
  for (i64 i = 0; i < size; ++i) {
    flip(i);
    ASSERT_EQ(read(path, page), PageFileState::kDamaged) << "byte " << i;
    const bool is_row = i >= size - format_.rows_bytes(3);
    ASSERT_EQ(read_page_header(path, format_).state,
              is_row ? PageFileState::kSound : PageFileState::kDamaged)
        << "byte " << i;
    flip(i);
  }
  EXPECT_EQ(read(path, page), PageFileState::kSound);
}

TEST_F(PageFileTest, AnyOtherLengthIsDamage) {
  const StoredPage page = page_of(counting(3), 3);
  const fs::path path = write(page);
  const i64 size = page_file_bytes(format_, 3);
  for (i64 length = size + 2; length >= 0; --length) {
    fs::resize_file(path, static_cast<size_t>(length));
    const PageFileState expected = length == size ? PageFileState::kSound : PageFileState::kDamaged;
    ASSERT_EQ(read(path, page), expected) << length;
    ASSERT_EQ(read_page_header(path, format_).state, expected) << length;
  }
}

TEST_F(PageFileTest, OtherFormatsAreForeign) {
  const StoredPage page = page_of(counting(3), 3);
  const fs::path path = write(page);
  for (const RowFormat& other :
       {RowFormat{{1, 3}, format_.shape}, RowFormat{{1, 2}, {4, 5}}, RowFormat{{1, 2}, {3, 6}}}) {
    EXPECT_EQ(read_page_header(path, other).state, PageFileState::kForeign);
    EXPECT_EQ(read_page_file(path, other, page, nullptr), PageFileState::kForeign);
  }
}

TEST_F(PageFileTest, OnlyTheExpectedPageIsRead) {
  const StoredPage page = page_of(counting(3), 2);
  const fs::path path = write(page);
  std::vector<StoredPage> others(6, page);
  others[0].owner = hasher_.owner("bob");
  others[1].space = hasher_.root({"bob", ""});
  others[2].parent = others[1].space;
  others[3].ids[2] = 7;
  others[4].exact_tokens = 3;
  others[5].tokens = 2;
  for (const StoredPage& other : others) EXPECT_EQ(read(path, other), PageFileState::kDamaged);
  EXPECT_EQ(read(dir_ / "none", page), PageFileState::kAbsent);
  const std::string other_name = page_file_name(others[1].space);
  fs::rename(path, dir_ / other_name);
  EXPECT_EQ(read_page_header(dir_ / other_name, format_).state, PageFileState::kDamaged)
      << "its name is another page's";
}

TEST_F(PageFileTest, NamesAreKeys) {
  const ChainKey key = hasher_.owner("a");
  const std::string name = page_file_name(key);
  EXPECT_EQ(name.size(), 64u + 5u);
  EXPECT_EQ(parse_page_file_name(name), key);
  std::string upper = name;
  for (char& c : upper) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 32) : c;
  for (const std::string& other :
       {std::string("secret"), std::string(), name + "x", name.substr(1), upper,
        name.substr(0, 62) + "+1.page", name.substr(0, 62) + "g0.page", name + ".tmp-1-0"}) {
    EXPECT_FALSE(parse_page_file_name(other)) << other;
  }
}

}  // namespace
}  // namespace fathom::engine
