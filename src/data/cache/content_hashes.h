#pragma once
// What a source's files hold, without reading them again when nobody touched them.
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "data/text/source_files.h"
#include "io/content_hash.h"

namespace fathom::data {

/// A note beside the cache: for each file its size, times, inode and hash, and the key that all of
/// it gave. Only ever a shortcut: a missing or damaged note means that files are read and hashed.
class HashNote {
 public:
  static HashNote load(const std::filesystem::path& path);
  /// Replaces the note. Errors are ignored: the next start is slower, nothing else.
  static void save(const std::filesystem::path& path, const std::vector<SourceFile>& files,
                   const std::vector<std::optional<io::Hash128>>& hashes, const io::Hash128& key);

  /// The key when the note was written.
  const std::optional<io::Hash128>& key() const { return key_; }
  /// The hash if size, times and inode are those of the note, and the file was not changed so
  /// shortly before the note was written that a further change could have left the same times.
  std::optional<io::Hash128> find(const SourceFile& file) const;
  /// The hash whatever the time.
  std::optional<io::Hash128> find_old(const SourceFile& file) const;

 private:
  struct Entry {
    i64 size_bytes = 0;
    i64 modified_ns = 0;
    i64 changed_ns = 0;
    i64 inode = 0;
    io::Hash128 hash;
  };
  std::optional<io::Hash128> key_;
  i64 written_ns_ = 0;
  std::unordered_map<std::string, Entry> entries_;
};

/// The hash of each file's bytes as stored; nullopt for a file that cannot be read. In parallel.
std::vector<std::optional<io::Hash128>> hash_files(const std::vector<SourceFile>& files,
                                                   const HashNote& note);

}  // namespace fathom::data
