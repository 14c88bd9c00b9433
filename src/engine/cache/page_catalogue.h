#pragma once
// Which page files there are: by what they hold, and in the order in which they go.
#include <memory_resource>
#include <set>
#include <string>
#include <unordered_map>

#include "base/types.h"
#include "engine/cache/page_file.h"
#include "engine/cache/sibling_order.h"

namespace fathom::engine {

/// Knows nothing of the disk. Files of whose page no continuation is known go first, the least
/// recently used of them; before them foreign files, which serve nobody here. Not thread-safe.
class PageCatalogue {
 public:
  struct File : StoredPage {
    i64 size_bytes = 0;
    i64 last_use_ns = 0;
    u64 write_job = 0;       // the last one, and whether
    bool is_written = true;  // it is done, so that the file can be read
  };

  File* find(const ChainKey& key);
  const SiblingOrder& by_text() const { return by_text_; }

  /// A page that is not there.
  File& add(const StoredPage& page, i64 size_bytes, i64 last_use_ns);
  void set_exact_tokens(File& file, i64 exact_tokens);
  void erase(File& file);
  /// It is the most recently used one now.
  void use(File& file);

  void add_foreign(std::string name, i64 size_bytes, i64 last_use_ns);
  /// Takes the file out that is to go next, but not `kept`. Returns its name, or "" if there is
  /// none.
  std::string take_oldest(const File* kept);
  /// Takes an owner's files out and returns their names.
  std::vector<std::string> take_all_of(const ChainKey& owner);

  i64 num_files() const { return static_cast<i64>(files_.size()); }
  i64 num_foreign() const { return static_cast<i64>(foreign_.size()); }
  /// Of all, the foreign ones too.
  i64 size_bytes() const { return size_bytes_; }

 private:
  struct HashKey {
    size_t operator()(const ChainKey& key) const;
  };
  struct EarlierUse {
    bool operator()(const File* a, const File* b) const;
  };
  struct Foreign {
    i64 last_use_ns;
    std::string name;
    i64 size_bytes;
    auto operator<=>(const Foreign&) const = default;  // NOLINT: its zeros are no pointers
  };

  bool is_leaf(const File& file) const { return !children_.contains(file.key); }
  void set_last_use(File& file, i64 last_use_ns);

  std::unordered_map<ChainKey, File, HashKey> files_;
  std::unordered_map<ChainKey, i64, HashKey> children_;  // by the parent's key, where there are any
  SiblingOrder by_text_{std::pmr::new_delete_resource()};
  std::set<File*, EarlierUse> leaves_;
  std::set<Foreign> foreign_;
  i64 size_bytes_ = 0;
  i64 newest_ns_ = 0;
};

}  // namespace fathom::engine
