#pragma once
// Distinct words and how often each occurs: the hash table behind tokenizer training.
#include <memory>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "tokenizer/train/bpe_trainer.h"

namespace fathom::tokenizer {

/// Owns the bytes of its words. Open addressing, linear probing, at most half full. The hash is
/// seeded by chance, so that no text can be written to make it slow; nothing that leaves the class
/// depends on the seed but the order of words(). Not thread-safe: one a worker, then add_all.
class WordCounter {
 public:
  WordCounter();

  void add(std::string_view word, i64 count = 1);
  void add_all(const WordCounter& other);
  /// Forgets the words and gives the memory back.
  void clear();

  i64 num_words() const { return num_words_; }
  /// Bytes of the distinct words together.
  i64 num_bytes() const { return num_bytes_; }
  /// Of all words added, repetitions included.
  i64 total_count() const { return total_count_; }
  i64 memory_bytes() const;

  /// Views into this object, valid until it is changed. In no particular order.
  std::vector<WordCount> words() const;

 private:
  struct Cell {
    u64 hash = 0;
    const char* bytes = nullptr;
    u64 size_bytes = 0;  // 0: free
    i64 count = 0;
  };

  u64 hash_of(std::string_view word) const;
  void add_hashed(std::string_view word, u64 hash, i64 count);
  const char* keep(std::string_view word);
  void grow();

  u64 seed_;
  std::vector<Cell> cells_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_begin_ = nullptr;  // rest of the newest block
  char* free_end_ = nullptr;
  i64 block_bytes_ = 0;
  i64 num_words_ = 0, num_bytes_ = 0, total_count_ = 0;
};

}  // namespace fathom::tokenizer
