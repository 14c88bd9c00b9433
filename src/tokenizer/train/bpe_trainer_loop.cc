#include "tokenizer/train/bpe_trainer_loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tokenizer/byte_level.h"

namespace fathom::tokenizer {
namespace {

constexpr u32 kSeparator = 0xFFFFFFFF;  // before, between and after words
constexpr u32 kCovered = 0xFFFFFFFE;    // a token once began here, now it is inside a longer one
constexpr i64 kMergesPerProgress = 256;

i64 longest_token(const BpeTrainerOptions& options) {
  if (options.max_token_length == 0) return kMaxTrainedTokenBytes;
  return options.max_token_length - 1;
}

}  // namespace

MergeLoop::MergeLoop(std::span<const WordCount> words, const BpeTrainerOptions& options)
    : options_(options),
      longest_(longest_token(options)),
      pairs_(std::max<i64>(1, options.min_frequency)) {
  add_first_tokens();
  lay_out(words);
  collect_byte_pairs();
}

void MergeLoop::add_first_tokens() {
  const auto add = [this](const std::string& spelling, u32 length) {
    by_text_.emplace(spelling, static_cast<u32>(result_.vocab.size()));
    result_.vocab.push_back(spelling);
    length_.push_back(length);
  };
  for (const std::string& text : options_.reserved) {
    const auto bytes = unspell_bytes(text);
    add(text, static_cast<u32>(bytes ? bytes->size() : text.size()));
  }
  std::vector<std::pair<std::string, u8>> symbols;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    symbols.emplace_back(spell_bytes({&c, 1}), static_cast<u8>(byte));
  }
  std::sort(symbols.begin(), symbols.end());  // UTF-8 sorts as its code points do
  for (const auto& [symbol, byte] : symbols) {
    byte_id_[byte] = static_cast<u32>(result_.vocab.size());
    add(symbol, 1);
  }
  num_ids_ = static_cast<i64>(result_.vocab.size());
}

void MergeLoop::lay_out(std::span<const WordCount> words) {
  size_t num_slots = 1, num_words = 0;
  for (const WordCount& word : words) {
    if (word.word.size() < 2) continue;  // nothing to merge in it
    num_slots += word.word.size() + 1;
    ++num_words;
  }
  slots_.reserve(num_slots);
  word_of_.reserve(num_slots);
  weight_of_.reserve(num_words);
  slots_.push_back(kSeparator);
  word_of_.push_back(0);
  for (const auto& [word, count] : words) {
    if (word.size() < 2) {
      result_.num_tokens += count;
      continue;
    }
    for (const char c : word) slots_.push_back(byte_id_[static_cast<u8>(c)]);
    slots_.push_back(kSeparator);
    word_of_.insert(word_of_.end(), word.size() + 1, static_cast<u32>(weight_of_.size()));
    weight_of_.push_back(count);
  }
}

void MergeLoop::collect_byte_pairs() {
  // The byte ids are consecutive, so the 65,536 possible pairs fit a table.
  const u32 base = static_cast<u32>(options_.reserved.size());
  const auto cell = [&](size_t p) {
    return static_cast<size_t>(slots_[p] - base) << 8 | (slots_[p + 1] - base);
  };
  std::vector<PairBook::Entry> table(1 << 16);
  const auto for_each_pair = [&](auto&& fn) {
    for (size_t p = 1; p + 1 < slots_.size(); ++p) {
      if (slots_[p] != kSeparator && slots_[p + 1] != kSeparator) fn(p, table[cell(p)]);
    }
  };
  for_each_pair([&](size_t p, PairBook::Entry& pair) {
    pair.count += weight_of_[word_of_[p]];
    ++pair.num_positions;
  });
  u64 total = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    PairBook::Entry& pair = table[i];
    pair.key = pair_key(base + static_cast<u32>(i >> 8), base + static_cast<u32>(i & 255));
    pair.first_position = total;
    if (pair.count >= pairs_.least_count()) total += pair.num_positions;
    pair.num_positions = 0;
  }
  pairs_.extend_positions(total);
  for_each_pair([&](size_t p, PairBook::Entry& pair) {
    if (pair.count < pairs_.least_count()) return;
    pairs_.position(pair.first_position + pair.num_positions++) = static_cast<u32>(p);
  });
  for (const PairBook::Entry& pair : table) {
    if (pair.count >= pairs_.least_count()) pairs_.add(pair);
  }
}

/// Fills in how many tokens the words have become, and why there are no more merges.
void MergeLoop::finish() {
  bool any_pair_left = false;
  for (size_t p = 1; p < slots_.size(); ++p) {  // at a word's start
    for (i64 tokens = 1; slots_[p] != kSeparator; ++tokens) {
      result_.num_tokens += weight_of_[word_of_[p]];
      any_pair_left |= tokens > 1;
      p += length_[slots_[p]];
    }
  }
  if (num_ids_ >= options_.vocab_size) {
    result_.stop = BpeStop::kVocabSize;
  } else {
    result_.stop = any_pair_left ? BpeStop::kMinFrequency : BpeStop::kNoPairs;
  }
}

u32 MergeLoop::add_token(u32 a, u32 b) {
  const std::string text = result_.vocab[a] + result_.vocab[b];
  const auto [found, is_new] = by_text_.emplace(text, static_cast<u32>(result_.vocab.size()));
  if (!is_new) {
    FATHOM_CHECK(found->second < options_.reserved.size(), "two merges spell ", text);
    return found->second;
  }
  result_.vocab.push_back(text);
  length_.push_back(length_[a] + length_[b]);
  ++num_ids_;
  return found->second;
}

void MergeLoop::merge_everywhere(const PairBook::Entry& pair, u32 merged) {
  const u32 a = left_of(pair.key), b = right_of(pair.key);
  // Ascending positions, hence left to right within a word: "aaa" becomes "aa" "a".
  for (u64 i = 0; i < pair.num_positions; ++i) {
    const u32 p = pairs_.position(pair.first_position + i);
    if (slots_[p] == a && slots_[p + length_[a]] == b) merge_at(p, a, b, merged);
  }
  settle(a, b, merged);
}

void MergeLoop::merge_at(u32 position, u32 a, u32 b, u32 merged) {
  const u32 middle = position + length_[a], end = middle + length_[b];
  const i64 weight = weight_of_[word_of_[position]];
  const u32 before = slots_[position - 1], after = slots_[end];
  if (length_[b] > 1) slots_[middle] = kCovered;
  slots_[position] = merged;
  slots_[end - 1] = merged;
  if (before != kSeparator) {
    if (before == merged) {
      change(Side::kRight, a).taken_back += weight;  // merged, a: noted when `before` was made
    } else {
      change(Side::kLeft, before).lost += weight;
    }
    if (may_pair(before, merged)) {
      note_gain(Side::kLeft, before, position - length_[before], weight);
    }
  }
  if (after != kSeparator) {
    change(Side::kRight, after).lost += weight;
    if (may_pair(merged, after)) note_gain(Side::kRight, after, position, weight);
  }
}

MergeLoop::Change& MergeLoop::change(Side side, u32 neighbour) {
  const u32 index = 2 * neighbour + static_cast<u32>(side);
  Change& entry = changes_[index];
  if (entry.gained == 0 && entry.lost == 0 && entry.taken_back == 0) touched_.push_back(index);
  return entry;  // the caller adds a positive weight
}

void MergeLoop::note_gain(Side side, u32 neighbour, u32 position, i64 weight) {
  Change& entry = change(side, neighbour);
  entry.gained += weight;
  ++entry.num_positions;
  gains_.push_back({2 * neighbour + static_cast<u32>(side), position});
}

/// Moves what the step noted into the book of pairs.
void MergeLoop::settle(u32 a, u32 b, u32 merged) {
  const auto stays = [this](const Change& c) {
    return c.gained - c.taken_back >= pairs_.least_count();
  };
  u64 num_positions = 0;
  for (const u32 index : touched_) {
    if (stays(changes_[index])) num_positions += changes_[index].num_positions;
  }
  u64 next = pairs_.extend_positions(num_positions);
  for (const u32 index : touched_) {
    Change& c = changes_[index];
    const u32 neighbour = index / 2;
    const bool is_left = index % 2 == static_cast<u32>(Side::kLeft);
    if (c.lost > 0) pairs_.lose(is_left ? pair_key(neighbour, a) : pair_key(b, neighbour), c.lost);
    if (!stays(c)) continue;
    pairs_.add({.key = is_left ? pair_key(neighbour, merged) : pair_key(merged, neighbour),
                .count = c.gained - c.taken_back,
                .first_position = next,
                .num_positions = c.num_positions});
    c.next_position = next;
    next += c.num_positions;
  }
  for (const Gain& gain : gains_) {
    Change& c = changes_[gain.change];
    if (stays(c)) pairs_.position(c.next_position++) = gain.position;
  }
  for (const u32 index : touched_) changes_[index] = {};
  touched_.clear();
  gains_.clear();
}

BpeTraining MergeLoop::run(const BpeProgress& progress) {
  const i64 first_ids = num_ids_, wanted = options_.vocab_size - first_ids;
  changes_.resize(2 * static_cast<size_t>(std::max<i64>(options_.vocab_size, first_ids)));
  PairBook::Entry best;
  while (num_ids_ < options_.vocab_size) {
    if (progress && (num_ids_ - first_ids) % kMergesPerProgress == 0) {
      progress(num_ids_ - first_ids, wanted);
    }
    if (!pairs_.take_best(best)) break;
    const u32 a = left_of(best.key), b = right_of(best.key);
    const u32 merged = add_token(a, b);
    result_.merges.push_back({static_cast<i32>(a), static_cast<i32>(b)});
    result_.last_pair_count = best.count;
    merge_everywhere(best, merged);
  }
  if (progress) progress(num_ids_ - first_ids, wanted);
  finish();
  return std::move(result_);
}

}  // namespace fathom::tokenizer
