// How it works. All words lie in one array, a slot a byte, a separator between words. A token of n
// bytes covers n slots; the first and the last of them hold its id, so both neighbours of a token
// are one look away and a merge writes three slots: no lists to relink, no word to rescan.
//
// Every pair of adjacent ids has one entry: its count and the positions (of the left token) where
// it was seen. A pair comes into being in the one step that creates the later of its two tokens,
// complete; afterwards it only loses occurrences. Hence counts only fall, a position may be stale
// but never missing, and a heap whose stored counts are upper bounds yields the true maximum by
// re-inserting what has fallen.
//
// No two merges yield the same text: as long as a stretch of text begins and ends at token borders,
// its inner merges do not depend on what surrounds it, so wherever it occurs it is cut the same
// way.
#include "tokenizer/bpe_trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <queue>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "tokenizer/bpe_trainer_pairs.h"
#include "tokenizer/byte_level.h"

namespace fathom::tokenizer {
namespace {

constexpr u32 kSeparator = 0xFFFFFFFF;  // before, between and after words
constexpr u32 kCovered = 0xFFFFFFFE;    // a token once began here, now it is inside a longer one
constexpr i64 kMergesPerProgress = 256;

enum class Side : u32 { kLeft = 0, kRight = 1 };  // of the token that is being made

struct PairEntry {
  PairKey key;
  i64 count = 0;
  u64 first_position = 0;  // into MergeLoop::positions_
  u32 num_positions = 0;
};

/// Largest count first, then the smallest pair.
struct Candidate {
  i64 count;
  PairKey key;
  u32 entry;
};
struct ComesLater {
  bool operator()(const Candidate& a, const Candidate& b) const {
    return a.count != b.count ? a.count < b.count : a.key > b.key;
  }
};

/// What one step does to the pairs of the new token with one neighbour id on one side.
struct NeighbourChange {
  i64 gained = 0;         // occurrences of the pair with the new token
  i64 taken_back = 0;     // of these, undone within the step (runs such as "abab")
  i64 lost = 0;           // occurrences of the pair with the old token
  u64 next_position = 0;  // where its next position goes in positions_
  u32 num_positions = 0;
};

class MergeLoop {
 public:
  MergeLoop(std::span<const WordCount> words, const BpeTrainerOptions& options)
      : options_(options), least_count_(std::max<i64>(1, options.min_frequency)) {
    add_first_tokens();
    lay_out(words);
    collect_byte_pairs();
  }

  BpeTraining run(const BpeProgress& progress);

 private:
  void add_first_tokens();
  void lay_out(std::span<const WordCount> words);
  void collect_byte_pairs();
  u32 add_token(u32 a, u32 b);
  void merge_everywhere(PairEntry pair, u32 merged);
  void merge_at(u32 position, u32 a, u32 b, u32 merged);
  void note_gain(Side side, u32 neighbour, u32 position, i64 weight);
  NeighbourChange& change(Side side, u32 neighbour);
  void settle(u32 a, u32 b, u32 merged);
  void lose(PairKey key, i64 count);
  void push(PairEntry entry);
  bool may_pair(u32 a, u32 b) const {
    return options_.max_token_length == 0 ||
           i64{length_[a]} + length_[b] < options_.max_token_length;
  }
  bool next_candidate(Candidate& top);
  void finish();

  const BpeTrainerOptions& options_;
  const i64 least_count_;
  BpeTraining result_;
  i64 num_ids_ = 0;                               // distinct texts, as the vocabulary counts them
  std::unordered_map<std::string, u32> by_text_;  // spelling -> id
  std::vector<u32> length_;                       // bytes of each id
  std::array<u32, 256> byte_id_{};

  std::vector<u32> slots_;
  std::vector<u32> word_of_;    // by slot
  std::vector<i64> weight_of_;  // by word: its count

  std::vector<PairEntry> entries_;
  PairIndex entry_of_;
  std::vector<u32> positions_;
  std::priority_queue<Candidate, std::vector<Candidate>, ComesLater> queue_;

  // Scratch of one step.
  struct Gain {
    u32 change;
    u32 position;
  };
  std::vector<NeighbourChange> changes_;  // by 2 * neighbour + side
  std::vector<u32> touched_;              // indices into changes_ that are not zero
  std::vector<Gain> gains_;
};

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
  std::vector<PairEntry> table(1 << 16);
  const auto for_each_pair = [&](auto&& fn) {
    for (size_t p = 1; p + 1 < slots_.size(); ++p) {
      if (slots_[p] != kSeparator && slots_[p + 1] != kSeparator) fn(p, table[cell(p)]);
    }
  };
  for_each_pair([&](size_t p, PairEntry& pair) {
    pair.count += weight_of_[word_of_[p]];
    ++pair.num_positions;
  });
  u64 total = 0;
  for (size_t i = 0; i < table.size(); ++i) {
    PairEntry& pair = table[i];
    pair.key = pair_key(base + static_cast<u32>(i >> 8), base + static_cast<u32>(i & 255));
    pair.first_position = total;
    if (pair.count >= least_count_) total += pair.num_positions;
    pair.num_positions = 0;
  }
  positions_.resize(total);
  for_each_pair([&](size_t p, PairEntry& pair) {
    if (pair.count < least_count_) return;
    positions_[pair.first_position + pair.num_positions++] = static_cast<u32>(p);
  });
  for (const PairEntry& pair : table) {
    if (pair.count >= least_count_) push(pair);
  }
}

void MergeLoop::push(PairEntry entry) {
  const u32 index = static_cast<u32>(entries_.size());
  entries_.push_back(entry);
  entry_of_.insert(entry.key, index);
  queue_.push({entry.count, entry.key, index});
}

/// The pair to merge next; false if none occurs often enough.
bool MergeLoop::next_candidate(Candidate& top) {
  while (!queue_.empty()) {
    top = queue_.top();
    queue_.pop();
    const i64 count = entries_[top.entry].count;
    if (count == top.count) return true;
    top.count = count;
    if (count >= least_count_) queue_.push(top);
  }
  return false;
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

void MergeLoop::merge_everywhere(PairEntry pair, u32 merged) {
  const u32 a = left_of(pair.key), b = right_of(pair.key);
  // Ascending positions, hence left to right within a word: "aaa" becomes "aa" "a".
  for (u64 i = 0; i < pair.num_positions; ++i) {
    const u32 p = positions_[pair.first_position + i];
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

NeighbourChange& MergeLoop::change(Side side, u32 neighbour) {
  const u32 index = 2 * neighbour + static_cast<u32>(side);
  NeighbourChange& entry = changes_[index];
  if (entry.gained == 0 && entry.lost == 0 && entry.taken_back == 0) touched_.push_back(index);
  return entry;  // the caller adds a positive weight
}

void MergeLoop::note_gain(Side side, u32 neighbour, u32 position, i64 weight) {
  NeighbourChange& entry = change(side, neighbour);
  entry.gained += weight;
  ++entry.num_positions;
  gains_.push_back({2 * neighbour + static_cast<u32>(side), position});
}

/// Moves what the step noted into the entries, the queue and the position lists.
void MergeLoop::settle(u32 a, u32 b, u32 merged) {
  const auto stays = [this](const NeighbourChange& c) {
    return c.gained - c.taken_back >= least_count_;
  };
  u64 total = positions_.size();
  for (const u32 index : touched_) {
    NeighbourChange& c = changes_[index];
    const u32 neighbour = index / 2;
    const bool is_left = index % 2 == static_cast<u32>(Side::kLeft);
    if (c.lost > 0) lose(is_left ? pair_key(neighbour, a) : pair_key(b, neighbour), c.lost);
    if (!stays(c)) continue;
    push({.key = is_left ? pair_key(neighbour, merged) : pair_key(merged, neighbour),
          .count = c.gained - c.taken_back,
          .first_position = total,
          .num_positions = c.num_positions});
    c.next_position = total;
    total += c.num_positions;
  }
  positions_.resize(total);
  for (const Gain& gain : gains_) {
    NeighbourChange& c = changes_[gain.change];
    if (stays(c)) positions_[c.next_position++] = gain.position;
  }
  for (const u32 index : touched_) changes_[index] = {};
  touched_.clear();
  gains_.clear();
}

void MergeLoop::lose(PairKey key, i64 count) {
  const u32 entry = entry_of_.find(key);
  if (entry != PairIndex::kNone) entries_[entry].count -= count;  // else too rare or too long
}

BpeTraining MergeLoop::run(const BpeProgress& progress) {
  const i64 first_ids = num_ids_, wanted = options_.vocab_size - first_ids;
  changes_.resize(2 * static_cast<size_t>(std::max<i64>(options_.vocab_size, first_ids)));
  Candidate top{};
  while (num_ids_ < options_.vocab_size) {
    if (progress && (num_ids_ - first_ids) % kMergesPerProgress == 0) {
      progress(num_ids_ - first_ids, wanted);
    }
    if (!next_candidate(top)) break;
    const u32 a = left_of(top.key), b = right_of(top.key);
    const u32 merged = add_token(a, b);
    result_.merges.push_back({static_cast<i32>(a), static_cast<i32>(b)});
    result_.last_pair_count = top.count;
    merge_everywhere(entries_[top.entry], merged);
  }
  if (progress) progress(num_ids_ - first_ids, wanted);
  finish();
  return std::move(result_);
}

Result<void> check_reserved(const std::vector<std::string>& reserved) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& text : reserved) {
    if (text.empty()) return invalid_input("tokenizer training: a special token is empty");
    if (!seen.insert(text).second) {
      return invalid_input(
          fmt::format("tokenizer training: the special token \"{}\" is given twice", text));
    }
    const auto bytes = unspell_bytes(text);
    if (bytes && bytes->size() == 1) {
      return invalid_input(fmt::format(
          "tokenizer training: the special token \"{}\" is the symbol of a single byte", text));
    }
  }
  return {};
}

}  // namespace

i64 bpe_trainer_memory_bytes(i64 num_words, i64 num_bytes) {
  // Measured: 35 to 105 bytes a byte, the most for words of random bytes, whose pairs are all
  // different; 8 of these are slots_ and word_of_, up to 24 positions_, the rest belongs to pairs.
  constexpr i64 kBytesPerByte = 112, kBytesPerWord = 24;
  return num_bytes * kBytesPerByte + num_words * kBytesPerWord;
}

Result<void> check_trainer_options(const BpeTrainerOptions& options) {
  const i64 least = std::ssize(options.reserved) + 256;
  if (options.vocab_size < least || options.vocab_size > kMaxVocabSize) {
    return invalid_input(
        fmt::format("tokenizer training: vocab_size is {}, expected {} ({} special tokens and 256 "
                    "bytes) to {}",
                    options.vocab_size, least, options.reserved.size(), kMaxVocabSize));
  }
  if (options.min_frequency < 0 || options.max_token_length < 0) {
    return invalid_input(
        fmt::format("tokenizer training: min_frequency is {} and max_token_length is {}, expected "
                    "numbers >= 0",
                    options.min_frequency, options.max_token_length));
  }
  return check_reserved(options.reserved);
}

Result<BpeTraining> learn_merges(std::span<const WordCount> words, const BpeTrainerOptions& options,
                                 const BpeProgress& progress) {
  if (auto checked = check_trainer_options(options); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  u64 num_slots = 1;
  for (const WordCount& word : words) {
    FATHOM_CHECK(word.count > 0, "count of a word is ", word.count);
    num_slots += word.word.size() + 1;
  }
  if (num_slots >= kCovered) {
    return invalid_input(
        fmt::format("tokenizer training: the distinct words of the text hold {}, at most 4 GiB can "
                    "be trained on; take a sample of the text",
                    format_bytes(static_cast<i64>(num_slots))));
  }
  return MergeLoop(words, options).run(progress);
}

}  // namespace fathom::tokenizer
