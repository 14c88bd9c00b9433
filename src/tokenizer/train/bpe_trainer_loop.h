#pragma once
// The loop of BPE training: merge the best pair everywhere, keep the counts of all pairs right.
//
// All words lie in one array, a slot a byte, a separator between words. A token of n bytes covers n
// slots; the first and the last of them hold its id, so both neighbours of a token are one look
// away and a merge writes three slots: no lists to relink, no word to rescan.
//
// A pair of ids comes into being in the one step that creates the later of the two, complete with
// all its positions; later merges only take occurrences from it. A position may thus be stale but
// never missing; a look at its slots tells.
//
// No two merges yield the same text: as long as a stretch of text begins and ends at token borders,
// its inner merges do not depend on what surrounds it, so wherever it occurs it is cut the same
// way.
#include <array>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/types.h"
#include "tokenizer/train/bpe_trainer.h"
#include "tokenizer/train/bpe_trainer_pairs.h"

namespace fathom::tokenizer {

class MergeLoop {
 public:
  /// More bytes of words than this, one more counted for each, and positions would not fit.
  static constexpr u64 kMaxSlots = 0xFFFFFFFD;

  /// Options must have passed check_trainer_options; they and the words must outlive the loop.
  MergeLoop(std::span<const WordCount> words, const BpeTrainerOptions& options);

  /// Once only.
  BpeTraining run(const BpeProgress& progress);

 private:
  enum class Side : u32 { kLeft = 0, kRight = 1 };  // of the token that is being made

  /// What one step does to the pairs of one neighbour id on one side of the new token.
  struct Change {
    i64 gained = 0;         // occurrences of the pair with the new token
    i64 taken_back = 0;     // of these, undone within the step (runs such as "abab")
    i64 lost = 0;           // occurrences of the pair with the old token
    u64 next_position = 0;  // where the next of num_positions goes
    u32 num_positions = 0;
  };
  struct Gain {
    u32 change;  // index into changes_
    u32 position;
  };

  void add_first_tokens();
  void lay_out(std::span<const WordCount> words);
  void collect_byte_pairs();
  u32 add_token(u32 a, u32 b);
  void merge_everywhere(const PairBook::Entry& pair, u32 merged);
  void merge_at(u32 position, u32 a, u32 b, u32 merged);
  Change& change(Side side, u32 neighbour);
  void note_gain(Side side, u32 neighbour, u32 position, i64 weight);
  void settle(u32 a, u32 b, u32 merged);
  void finish();
  bool may_pair(u32 a, u32 b) const { return i64{length_[a]} + length_[b] <= longest_; }

  const BpeTrainerOptions& options_;
  i64 longest_;  // bytes that a token may have
  BpeTraining result_;
  i64 num_ids_ = 0;                               // distinct texts, as the vocabulary counts them
  std::unordered_map<std::string, u32> by_text_;  // spelling -> id
  std::vector<u32> length_;                       // bytes of each id
  std::array<u32, 256> byte_id_{};

  std::vector<u32> slots_;
  std::vector<u32> word_of_;    // by slot
  std::vector<i64> weight_of_;  // by word: its count
  PairBook pairs_;

  // Scratch of one step.
  std::vector<Change> changes_;  // by 2 * neighbour + side
  std::vector<u32> touched_;     // indices into changes_ that are not zero
  std::vector<Gain> gains_;      // in the order met
};

}  // namespace fathom::tokenizer
