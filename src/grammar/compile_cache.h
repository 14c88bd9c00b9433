#pragma once
#include <condition_variable>
#include <list>
#include <map>
#include <mutex>
#include <set>

#include "grammar/compile.h"

namespace fathom::grammar {

/// Keeps compiled grammars, the least recently used going first. Who asks for one that another
/// thread compiles waits for it. Any thread may call but the engine's: compiling takes time.
class CompileCache {
 public:
  explicit CompileCache(i64 max_bytes = i64{256} << 20, const Budget& budget = {})
      : max_bytes_(max_bytes), budget_(budget) {}

  /// As compile(); errors are not kept.
  Result<CompiledGrammar> get(const GrammarSpec& spec);

  i64 hits() const;
  i64 misses() const;
  /// Of what it holds, with what matching added since.
  i64 memory_bytes() const;

 private:
  struct Entry {
    CompiledGrammar compiled;
    std::list<std::string>::iterator used;  // of used_
  };

  static std::string key_of(const GrammarSpec& spec);
  void evict(const std::string& newest);

  i64 max_bytes_;
  Budget budget_;
  mutable std::mutex mutex_;
  std::condition_variable compiled_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> used_;  // keys, the last used first
  std::set<std::string> compiling_;
  i64 hits_ = 0, misses_ = 0;
};

}  // namespace fathom::grammar
