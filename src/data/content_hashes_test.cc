// When a file's hash is taken from the note, and when the file is read again.
#include "data/cache/content_hashes.h"

#include <gtest/gtest.h>

#include <chrono>

#include "testing/temp_dir.h"

namespace fathom::data {
namespace {

constexpr i64 kSecondNs = 1'000'000'000;

i64 now_ns() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

class ContentHashes : public ::testing::Test {
 protected:
  /// A note of one file, last changed an hour ago.
  ContentHashes() {
    file_ = {.path = dir_.write("a.txt", "one"),
             .size_bytes = 3,
             .modified_ns = now_ns() - 3600 * kSecondNs,
             .changed_ns = now_ns() - 1800 * kSecondNs,
             .inode = 77};
    HashNote::save(note_, {file_}, {io::Hash128{1, 2}}, io::Hash128{3, 4});
  }

  testing::TempDir dir_;
  std::filesystem::path note_ = dir_ / "hashes";
  SourceFile file_;
};

TEST_F(ContentHashes, AnUntouchedFileIsNotRead) {
  const HashNote note = HashNote::load(note_);
  EXPECT_EQ(note.key(), (io::Hash128{3, 4}));
  EXPECT_EQ(note.find(file_), (io::Hash128{1, 2}));
  EXPECT_EQ(hash_files({file_}, note).front(), (io::Hash128{1, 2}))
      << "as noted, though it is not so";
}

TEST_F(ContentHashes, AnotherTimeSizeInodeOrNameIsRead) {
  const HashNote note = HashNote::load(note_);
  SourceFile later = file_, earlier = file_, longer = file_, renamed = file_;
  SourceFile touched = file_, replaced = file_;  // by rsync -t, tar, touch -d: of the same time
  touched.changed_ns += 1;
  replaced.inode += 1;
  later.modified_ns += 1;
  earlier.modified_ns -= 1;
  longer.size_bytes += 1;
  renamed.path = dir_.write("b.txt", "one");
  for (const SourceFile& changed : {later, earlier, longer, renamed, touched, replaced}) {
    EXPECT_FALSE(note.find(changed).has_value());
    const auto hash = hash_files({changed}, note).front();
    ASSERT_TRUE(hash.has_value());
    EXPECT_NE(*hash, (io::Hash128{1, 2}));
  }
  EXPECT_EQ(note.find_old(later), (io::Hash128{1, 2})) << "whatever the time";
}

// A file that changed within two seconds before the note may change again without another time.
TEST_F(ContentHashes, ATimeTooNearTheNotesIsNotTrusted) {
  for (const auto& [age_s, trusted] :
       {std::pair{0, false}, std::pair{1, false}, std::pair{10, true}}) {
    for (i64 SourceFile::*time : {&SourceFile::modified_ns, &SourceFile::changed_ns}) {
      SourceFile file = file_;
      file.*time = now_ns() - age_s * kSecondNs;
      HashNote::save(note_, {file}, {io::Hash128{1, 2}}, io::Hash128{3, 4});
      EXPECT_EQ(HashNote::load(note_).find(file).has_value(), trusted) << age_s << " s";
    }
  }
}

TEST_F(ContentHashes, ADamagedNoteIsNone) {
  for (const char* text : {"", "fathom-hashes-3 0 0\n", "fathom-hashes-2 12 34\n",
                           // of the version that kept no inode
                           "fathom-hashes-1 00000000000000010000000000000002 1\n"}) {
    dir_.write("hashes", text);
    EXPECT_FALSE(HashNote::load(note_).key().has_value()) << text;
  }
}

TEST_F(ContentHashes, AFileThatCannotBeRead) {
  file_.path = dir_ / "none";
  EXPECT_FALSE(hash_files({file_}, HashNote()).front().has_value());
}

}  // namespace
}  // namespace fathom::data
