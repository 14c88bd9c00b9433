#pragma once
// Calls of tools as the model wrote them and the thoughts that led to them, for the requests that
// bring them back.
#include <list>
#include <map>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/types.h"
#include "tokenizer/chat/answer/answer.h"

namespace fathom::serve {

/// By the ids of the calls and the account that they were given to. Clients write arguments again
/// in their own way and lose thoughts: with the text that was there first a prompt begins as the
/// one before it, and the cache has it. In memory alone; those not asked for longest go first. Any
/// thread.
class CallMemory {
 public:
  explicit CallMemory(i64 max_bytes = i64{16} << 20) : max_bytes_(max_bytes) {}

  /// An answer of the model, whose calls have ids.
  void keep(const std::string& account, const tokenizer::Answer& answer);
  /// Puts arguments that mean the same back as they were first written, and thoughts where a client
  /// has none. Calls that are not known are from now on.
  void restore(const std::string& account, tokenizer::ChatRequest& chat);

 private:
  struct Entry {
    std::string key;
    std::string name, arguments, thought;
    i64 bytes() const;
  };
  void add(Entry entry) FATHOM_REQUIRES(mutex_);
  void restore_call(const std::string& account, tokenizer::ToolCall& call, std::string& thought)
      FATHOM_REQUIRES(mutex_);

  i64 max_bytes_;
  Mutex mutex_;
  std::list<Entry> entries_ FATHOM_GUARDED_BY(mutex_);  // the last used first
  std::map<std::string_view, std::list<Entry>::iterator> by_key_ FATHOM_GUARDED_BY(mutex_);
  i64 bytes_ FATHOM_GUARDED_BY(mutex_) = 0;
};

}  // namespace fathom::serve
