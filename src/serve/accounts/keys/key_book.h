#pragma once
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "serve/accounts/keys/key.h"

namespace fathom::serve {

/// The keys that are valid now: of the file, and of the database. Any thread.
class KeyBook {
 public:
  void set_static(std::vector<Key> keys);
  void set_created(std::vector<Key> keys);

  /// By what a client holds; nullptr: it is no key.
  std::shared_ptr<const Key> find_secret(std::string_view secret) const;
  std::shared_ptr<const Key> find_id(const std::string& id) const;
  std::vector<Key> all() const;
  std::vector<Key> static_keys() const;
  /// Ids of keys that were revoked, or are in the file no longer, since this was last asked.
  std::vector<std::string> take_gone();

 private:
  using Keys = std::unordered_map<std::string, std::shared_ptr<const Key>>;  // by id
  static Keys by_id(std::vector<Key> list);
  void note_gone(const Keys& before, const Keys& after) FATHOM_REQUIRES(mutex_);
  static void append(const Keys& keys, std::vector<Key>& list);

  mutable Mutex mutex_;
  Keys static_ FATHOM_GUARDED_BY(mutex_);
  Keys created_ FATHOM_GUARDED_BY(mutex_);
  std::set<std::string> revoked_ FATHOM_GUARDED_BY(mutex_);  // of those that were ever read
  std::vector<std::string> gone_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve
