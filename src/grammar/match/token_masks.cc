#include "grammar/match/token_masks.h"

#include "base/check.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

constexpr i64 kMaxKeptBytes = i64{32} << 20;  // of masks
constexpr i64 kLookAhead = 20;                // characters

}  // namespace

TokenMasks::TokenMasks(Automaton automaton, std::shared_ptr<const Vocabulary> vocabulary)
    : automaton_(std::move(automaton)),
      vocabulary_(std::move(vocabulary)),
      path_(static_cast<size_t>(vocabulary_->longest_token()) + 1) {}

std::unique_lock<std::mutex> TokenMasks::lock() {
  std::unique_lock locked(mutex_);
  automaton_.set_deadline();
  return locked;
}

std::shared_ptr<const TokenSet> TokenMasks::allowed(State state) {
  const auto locked = lock();
  if (const auto known = sets_.find(state); known != sets_.end()) return known->second;
  auto set = std::make_shared<const TokenSet>(compute(state));
  const i64 bytes_each = std::ssize(*set) * static_cast<i64>(sizeof(u32)) + 64;
  if (std::ssize(sets_) * bytes_each > kMaxKeptBytes) sets_.clear();
  sets_.emplace(state, set);
  return set;
}

TokenSet TokenMasks::compute(State state) {
  TokenSet set(vocabulary_->num_words());
  const i64 reach = automaton_.plain_reach(state, kLookAhead);
  for (const PlainTokens& plain : vocabulary_->plain_tokens()) {
    if (reach < plain.num_characters) {
      walk(plain.trie, state, set);
      continue;
    }
    for (size_t word = 0; word < set.size(); ++word) set[word] |= plain.set[word];
  }
  walk(vocabulary_->other_tokens(), state, set);
  for (const auto& [known, duplicate] : vocabulary_->duplicates()) {
    if (has_token(set, known)) add_token(set, duplicate);
  }
  return set;
}

void TokenMasks::walk(const Trie& trie, State state, TokenSet& set) {
  path_[0] = state;
  for (size_t i = 0; i < trie.size();) {
    const TrieNode& node = trie[i];
    const State after = automaton_.next(path_[node.depth - 1u], node.byte);
    if (after == Automaton::kDead) {
      i = node.skip;
      continue;
    }
    if (node.id >= 0) add_token(set, node.id);
    path_[node.depth] = after;
    ++i;
  }
}

TokenMasks::State TokenMasks::next(State state, std::string_view bytes) {
  const auto locked = lock();
  return automaton_.next(state, bytes);
}

bool TokenMasks::accepting(State state) {
  const auto locked = lock();
  return automaton_.accepting(state);
}

bool TokenMasks::can_go_on(State state) {
  const auto locked = lock();
  return automaton_.can_go_on(state);
}

std::string TokenMasks::forced_bytes(State state, size_t limit) {
  const auto locked = lock();
  std::string bytes;
  while (bytes.size() < limit) {
    const auto byte = automaton_.forced_byte(state);
    if (!byte) break;
    bytes += static_cast<char>(*byte);
    state = automaton_.next(state, *byte);
  }
  return bytes;
}

// The last token of the bytes is left open: the text behind them may make it a longer one.
i32 TokenMasks::forced_token(State state) {
  constexpr size_t kLookAheadBytes = 48;  // longer than nearly every token
  {
    const std::scoped_lock lock(mutex_);
    if (const auto known = forced_tokens_.find(state); known != forced_tokens_.end()) {
      return known->second;
    }
  }
  std::string bytes = forced_bytes(state, kLookAheadBytes);
  bytes.resize(tokenizer::valid_utf8_prefix_bytes(bytes));
  const std::vector<i32> ids = bytes.empty() ? std::vector<i32>() : vocabulary_->encode(bytes);
  const bool known = ids.size() > 1 &&
                     std::string_view(bytes).starts_with(vocabulary_->bytes(ids[0])) &&
                     !vocabulary_->bytes(ids[0]).empty();
  const std::scoped_lock lock(mutex_);
  return forced_tokens_[state] = known ? ids[0] : -1;
}

i64 TokenMasks::memory_bytes() {
  const std::scoped_lock lock(mutex_);
  const i64 words = static_cast<i64>(vocabulary_->num_words());
  return automaton_.memory_bytes() + std::ssize(sets_) * words * static_cast<i64>(sizeof(u32));
}

}  // namespace fathom::grammar
