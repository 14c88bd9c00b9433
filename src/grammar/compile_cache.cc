#include "grammar/compile_cache.h"

namespace fathom::grammar {

/// Equal keys are equal specifications: the lengths say where each text ends.
std::string CompileCache::key_of(const GrammarSpec& spec) {
  std::string key{static_cast<char>('0' + static_cast<int>(spec.kind)),
                  spec.schema.strict ? 's' : '-', spec.schema.fail_closed ? 'c' : '-'};
  const auto add = [&](const std::string& part) {
    key += std::to_string(part.size()) + ":" + part;
  };
  add(spec.text);
  for (const std::string& choice : spec.choices) add(choice);
  if (!spec.tools) return key;
  key += "tools" + std::to_string(static_cast<int>(spec.tools->format)) +
         std::to_string(static_cast<int>(spec.tools->choice)) + (spec.tools->parallel ? "p" : "-");
  for (const std::string& token : spec.tools->tokens) add(token);
  for (const Tool& tool : spec.tools->tools) {
    add(tool.name);
    add(tool.parameters);
    key += tool.strict ? (*tool.strict ? 's' : 'l') : '-';
  }
  return key;
}

Result<CompiledGrammar> CompileCache::get(const GrammarSpec& spec) {
  const std::string key = key_of(spec);
  std::unique_lock lock(mutex_);
  compiled_.wait(lock, [&] { return !compiling_.contains(key); });
  if (const auto known = entries_.find(key); known != entries_.end()) {
    ++hits_;
    used_.splice(used_.begin(), used_, known->second.used);
    return known->second.compiled;
  }
  ++misses_;
  compiling_.insert(key);
  lock.unlock();
  auto compiled = compile(spec, budget_);
  lock.lock();
  compiling_.erase(key);
  if (compiled) {
    used_.push_front(key);
    entries_[key] = {*compiled, used_.begin()};
    evict(key);
  }
  lock.unlock();
  compiled_.notify_all();
  return compiled;
}

/// Who still follows a text by an evicted grammar keeps it alive.
void CompileCache::evict(const std::string& newest) {
  i64 bytes = 0;
  for (const auto& [key, entry] : entries_) {
    bytes += entry.compiled.grammar->memory_bytes() + static_cast<i64>(key.size());
  }
  while (bytes > max_bytes_ && used_.back() != newest) {
    const auto oldest = entries_.find(used_.back());
    bytes -=
        oldest->second.compiled.grammar->memory_bytes() + static_cast<i64>(oldest->first.size());
    entries_.erase(oldest);
    used_.pop_back();
  }
}

i64 CompileCache::hits() const {
  const std::scoped_lock lock(mutex_);
  return hits_;
}

i64 CompileCache::misses() const {
  const std::scoped_lock lock(mutex_);
  return misses_;
}

i64 CompileCache::memory_bytes() const {
  const std::scoped_lock lock(mutex_);
  i64 bytes = 0;
  for (const auto& [key, entry] : entries_) bytes += entry.compiled.grammar->memory_bytes();
  return bytes;
}

}  // namespace fathom::grammar
