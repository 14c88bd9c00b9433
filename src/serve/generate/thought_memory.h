#pragma once
// Thoughts that led to calls of tools, for clients that send the calls back without them.
#include <list>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/types.h"

namespace fathom::serve {

/// By the ids of the calls, which nobody can guess, and by the account that they were given to. In
/// memory alone; those not asked for longest go first. Any thread.
class ThoughtMemory {
 public:
  explicit ThoughtMemory(i64 max_bytes = i64{16} << 20) : max_bytes_(max_bytes) {}

  /// An empty thought is none.
  void keep(const std::string& account, std::span<const std::string> call_ids,
            const std::string& thought);
  /// "": it is not known.
  std::string find(const std::string& account, const std::string& call_id);

 private:
  struct Entry {
    std::string key;
    std::string thought;
    i64 bytes() const { return std::ssize(key) + std::ssize(thought); }
  };
  static std::string key_of(std::string_view account, std::string_view call_id);

  i64 max_bytes_;
  Mutex mutex_;
  std::list<Entry> entries_ FATHOM_GUARDED_BY(mutex_);  // the last used first
  std::map<std::string_view, std::list<Entry>::iterator> by_key_ FATHOM_GUARDED_BY(mutex_);
  i64 bytes_ FATHOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace fathom::serve
