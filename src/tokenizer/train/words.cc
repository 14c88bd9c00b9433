#include "tokenizer/train/words.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kFirstCells = 1 << 12;
constexpr i64 kBlockBytes = 1 << 18;

u64 random_seed() {
  std::random_device device;
  return u64{device()} << 32 | device();
}

u64 mix(u64 hash, u64 value) {
  hash = (hash ^ value) * 0x9FB21C651E98DF25u;
  return hash ^ hash >> 32;
}

}  // namespace

// One seed a process: equal words have equal hashes in every counter, so that add_all need not
// hash again.
WordCounter::WordCounter() : cells_(kFirstCells) {
  static const u64 seed = random_seed();
  seed_ = seed;
}

void WordCounter::clear() { *this = WordCounter(); }

u64 WordCounter::hash_of(std::string_view word) const {
  u64 hash = seed_ ^ word.size();
  const char* p = word.data();
  size_t left = word.size();
  for (; left > 8; p += 8, left -= 8) {
    u64 chunk;
    std::memcpy(&chunk, p, 8);
    hash = mix(hash, chunk);
  }
  u64 tail = 0;
  std::memcpy(&tail, p, left);
  return mix(mix(hash, tail), seed_);
}

void WordCounter::add(std::string_view word, i64 count) {
  FATHOM_DCHECK(!word.empty() && count > 0);
  add_hashed(word, hash_of(word), count);
}

void WordCounter::add_hashed(std::string_view word, u64 hash, i64 count) {
  total_count_ += count;
  const size_t mask = cells_.size() - 1;
  size_t i = hash & mask;
  while (cells_[i].size_bytes != 0) {
    Cell& cell = cells_[i];
    if (cell.hash == hash && std::string_view(cell.bytes, cell.size_bytes) == word) {
      cell.count += count;
      return;
    }
    i = (i + 1) & mask;
  }
  cells_[i] = {hash, keep(word), word.size(), count};
  ++num_words_;
  num_bytes_ += static_cast<i64>(word.size());
  if (2 * static_cast<size_t>(num_words_) > cells_.size()) grow();
}

const char* WordCounter::keep(std::string_view word) {
  if (static_cast<size_t>(free_end_ - free_begin_) < word.size()) {
    const i64 size_bytes = std::max(kBlockBytes, static_cast<i64>(word.size()));
    blocks_.push_back(std::make_unique_for_overwrite<char[]>(static_cast<size_t>(size_bytes)));
    free_begin_ = blocks_.back().get();
    free_end_ = free_begin_ + size_bytes;
    block_bytes_ += size_bytes;
  }
  char* kept = free_begin_;
  std::memcpy(kept, word.data(), word.size());
  free_begin_ += word.size();
  return kept;
}

void WordCounter::grow() {
  std::vector<Cell> old(2 * cells_.size());
  old.swap(cells_);
  const size_t mask = cells_.size() - 1;
  for (const Cell& cell : old) {
    if (cell.size_bytes == 0) continue;
    size_t i = cell.hash & mask;
    while (cells_[i].size_bytes != 0) i = (i + 1) & mask;
    cells_[i] = cell;
  }
}

void WordCounter::add_all(const WordCounter& other) {
  for (const Cell& cell : other.cells_) {
    if (cell.size_bytes != 0) add_hashed({cell.bytes, cell.size_bytes}, cell.hash, cell.count);
  }
}

i64 WordCounter::memory_bytes() const {
  return block_bytes_ + static_cast<i64>(cells_.capacity() * sizeof(Cell));
}

std::vector<WordCount> WordCounter::words() const {
  std::vector<WordCount> words;
  words.reserve(static_cast<size_t>(num_words_));
  for (const Cell& cell : cells_) {
    if (cell.size_bytes != 0) words.push_back({{cell.bytes, cell.size_bytes}, cell.count});
  }
  return words;
}

}  // namespace fathom::tokenizer
