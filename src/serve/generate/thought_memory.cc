#include "serve/generate/thought_memory.h"

namespace fathom::serve {

std::string ThoughtMemory::key_of(std::string_view account, std::string_view call_id) {
  return std::string(call_id) + '\n' + std::string(account);  // ids have no line breaks
}

void ThoughtMemory::keep(const std::string& account, std::span<const std::string> call_ids,
                         const std::string& thought) {
  if (thought.empty()) return;
  const Lock lock(mutex_);
  for (const std::string& id : call_ids) {
    std::string key = key_of(account, id);
    if (by_key_.contains(key)) continue;
    entries_.push_front({.key = std::move(key), .thought = thought});
    by_key_[entries_.front().key] = entries_.begin();
    bytes_ += entries_.front().bytes();
  }
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::string ThoughtMemory::find(const std::string& account, const std::string& call_id) {
  const Lock lock(mutex_);
  const auto at = by_key_.find(key_of(account, call_id));
  if (at == by_key_.end()) return {};
  entries_.splice(entries_.begin(), entries_, at->second);
  return at->second->thought;
}

}  // namespace fathom::serve
