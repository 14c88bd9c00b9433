#pragma once
// Names under which a model is asked for beside its own.
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace fathom::serve {

/// They may change while requests are being read.
class ModelAliases {
 public:
  explicit ModelAliases(std::vector<std::string> names = {}) : names_(std::move(names)) {}

  void set(std::vector<std::string> names) {
    const Lock lock(mutex_);
    names_ = std::move(names);
  }
  /// "claude-*" is all that begin so.
  bool has(std::string_view name) const;

 private:
  mutable Mutex mutex_;
  std::vector<std::string> names_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve
