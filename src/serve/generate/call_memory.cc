#include "serve/generate/call_memory.h"

#include "io/json.h"

namespace fathom::serve {
namespace {

using tokenizer::ToolCall;

std::string key_of(std::string_view account, std::string_view call_id) {
  return std::string(account) + '\n' + std::string(call_id);
}

/// Whether they differ in spelling alone: spaces, escapes.
bool mean_the_same(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto left = io::parse_json(a, "arguments"), right = io::parse_json(b, "arguments");
  return left && right && io::write_json(*left) == io::write_json(*right);
}

}  // namespace

i64 CallMemory::Entry::bytes() const {
  return std::ssize(key) + std::ssize(name) + std::ssize(arguments) + std::ssize(thought);
}

void CallMemory::add(Entry entry) {
  if (const auto at = by_key_.find(entry.key); at != by_key_.end()) {
    const auto old = at->second;
    bytes_ -= old->bytes();
    by_key_.erase(at);
    entries_.erase(old);
  }
  entries_.push_front(std::move(entry));
  by_key_[entries_.front().key] = entries_.begin();
  bytes_ += entries_.front().bytes();
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void CallMemory::keep(const std::string& account, const tokenizer::Answer& answer) {
  const Lock lock(mutex_);
  for (const ToolCall& call : answer.tool_calls) {
    add({.key = key_of(account, call.id),
         .name = call.name,
         .arguments = call.arguments,
         .thought = answer.reasoning});
  }
}

void CallMemory::restore_call(const std::string& account, ToolCall& call, std::string& thought) {
  std::string key = key_of(account, call.id);
  const auto at = by_key_.find(key);
  const bool is_known = at != by_key_.end() && at->second->name == call.name &&
                        mean_the_same(at->second->arguments, call.arguments);
  if (!is_known) {  // or a client that counts its calls anew in each conversation
    return add({.key = std::move(key),
                .name = call.name,
                .arguments = call.arguments,
                .thought = thought});
  }
  entries_.splice(entries_.begin(), entries_, at->second);
  call.arguments = at->second->arguments;
  if (thought.empty()) thought = at->second->thought;
}

void CallMemory::restore(const std::string& account, tokenizer::ChatRequest& chat) {
  const Lock lock(mutex_);
  for (tokenizer::Message& message : chat.messages) {
    for (ToolCall& call : message.tool_calls) {
      if (!call.id.empty()) restore_call(account, call, message.reasoning_content);
    }
  }
}

}  // namespace fathom::serve
