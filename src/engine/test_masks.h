#pragma once
// For the engine's tests: what grammars are to the engine.
#include <gtest/gtest.h>

#include <span>
#include <vector>

#include "base/rng.h"
#include "engine/sampling/token_mask.h"
#include "engine/test_models.h"

namespace fathom::engine {

/// Allows about three quarters of the ids, which ones depends on all tokens before; ends after
/// `length` tokens. What a grammar is to the engine.
class HashMask : public TokenMask {
 public:
  HashMask(u64 seed, i64 length) : length_(length), words_((kVocabSize + 31) / 32) {
    states_.reserve(4096);
    states_.push_back(seed);
  }

  std::span<const u32> allowed() override {
    for (size_t word = 0; word < words_.size(); ++word) {
      const auto random = Philox(states_.back(), 1).at(word);
      words_[word] = random[0] | random[1];
    }
    return words_;
  }
  void accept(i32 id) override {
    states_.push_back(Philox(states_.back(), 2).at(static_cast<u64>(id))[0]);
  }
  void roll_back(i64 count) override {
    states_.resize(states_.size() - static_cast<size_t>(count));
  }
  bool complete() const override { return std::ssize(states_) > length_; }

 private:
  i64 length_;
  std::vector<u64> states_;  // before each token
  std::vector<u32> words_;
};

/// The first tokens are given; everything may come behind them.
class BeginsWith : public TokenMask {
 public:
  explicit BeginsWith(std::span<const i32> ids) : ids_(ids), words_((kVocabSize + 31) / 32) {}

  std::span<const u32> allowed() override {
    const bool given = taken_ < ids_.size();
    words_.assign(words_.size(), given ? 0 : ~u32{0});
    if (given) words_[static_cast<size_t>(ids_[taken_]) / 32] |= 1u << (ids_[taken_] % 32);
    return words_;
  }
  void accept(i32 id) override {
    EXPECT_TRUE(allows(allowed(), id)) << id << " at " << taken_;
    ++taken_;
  }
  void roll_back(i64 count) override { taken_ -= static_cast<size_t>(count); }
  bool complete() const override { return false; }

 private:
  std::span<const i32> ids_;
  size_t taken_ = 0;
  std::vector<u32> words_;
};

}  // namespace fathom::engine
