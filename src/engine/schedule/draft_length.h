#pragma once
// How many tokens to draft for each sequence of a decode pass.
#include <array>
#include <span>
#include <vector>

#include "engine/schedule/cost_curve.h"

namespace fathom::engine {

inline constexpr int kMaxDrafts = 8;

/// a_j: how often the draft at position j is kept if those before it were.
using DraftAcceptance = std::array<double, kMaxDrafts>;

/// What is known of one sequence's drafts. Made by DraftLength::begin().
struct DraftHistory {
  DraftAcceptance acceptance{};
  std::array<int, kMaxDrafts> observations{};  // that acceptance rests on, beside its first guess
  i64 tokens_since_probe = 0;
  i64 probe_every_tokens = 256;  // twice that after each probe that changed nothing
  int probe_steps = 0;           // left of a probe under way
};

enum class DraftsOff {
  kNoGain,  // they would cost more than they bring
  kNoRoom,  // the sequence ends before a draft could be kept
};
inline constexpr int kDraftsOffReasons = 2;

struct DraftCounters {
  u64 drafts = 0;  // runs: sequences in passes with at least one draft
  u64 draft_tokens = 0;
  u64 accepted_tokens = 0;
  std::array<u64, kMaxDrafts> accepted_per_position{};
  std::array<u64, kDraftsOffReasons> disabled_steps{};  // sequences in passes without, by DraftsOff
};

/// Chooses draft lengths by what they cost now and what they brought lately; the text does not
/// depend on them (serving.md, section 4, "Adaptivity").
///
/// For B sequences of which k_1 .. k_B tokens are drafted, tokens a second are
///   (B + sum_r sum_j prod_{i <= j} a_ri) / (C(B + sum_r k_r) + sum_j D(sequences with k_r >= j))
/// with C the decode pass and D one pass of the draft module. The drafts are taken in the order of
/// their probability while that grows, each sequence's in its own order, so k_r is the best there
/// is for the batch. With one sequence it is the published rule. Drafting has to bring 5 % for the
/// sequences that do it, or there is none: less is within the error of the estimates.
///
/// After 256 tokens a sequence drafts one token more than it would for four steps: acceptance that
/// nobody measures would stay what it was. If drafts stay off after it, the next probe comes after
/// twice as many, up to 4,096: on small models probes alone would cost 2 %. What a probe then sees
/// counts for more than what was seen long ago; while drafts are on the mean is over some fifty of
/// them, or chance would switch them off.
class DraftLength {
 public:
  /// `max_drafts` of a sequence: 0 to kMaxDrafts. Batches of up to `max_sequences` allocate
  /// nothing.
  explicit DraftLength(int max_drafts, i64 max_sequences = 64);

  /// One sequence of a pass. `limit`: drafts that could still be kept before its end.
  struct Sequence {
    DraftHistory* history = nullptr;
    i64 limit = 0;
    int drafts = 0;  // overwritten
  };

  /// A new sequence: it is expected to be like the others before it.
  DraftHistory begin() const;

  /// Sets `drafts` of every sequence of a pass whose attention visits `pairs` without any draft.
  void choose(std::span<Sequence> batch, i64 pairs, const CostModel& cost);

  /// Of `drafts` verified tokens of the sequence the first `accepted` were kept; `emitted` tokens
  /// (accepted, and one of the model's own) went into its text. Also for 0 drafts.
  void observe(DraftHistory& history, int drafts, int accepted, i64 emitted);

  const DraftCounters& counters() const { return counters_; }
  /// Over all sequences.
  const DraftAcceptance& acceptance() const { return acceptance_; }

 private:
  struct Candidate {
    double probability;  // that this draft is kept
    int position;
    size_t sequence;
  };

  void collect(std::span<const Sequence> batch);
  size_t best_count(size_t sequences, i64 pairs, const CostModel& cost) const;
  void probe(Sequence& sequence);

  int max_drafts_;
  DraftAcceptance acceptance_;
  std::array<int, kMaxDrafts> observations_{};
  i64 tokens_since_draft_ = 0;  // of all sequences
  std::vector<Candidate> candidates_;
  DraftCounters counters_{};
};

}  // namespace fathom::engine
