#include "engine/schedule/draft_length.h"

#include <algorithm>
#include <tuple>

#include "base/check.h"

namespace fathom::engine {
namespace {

constexpr double kSequenceRate = 0.02;
constexpr double kServerRate = 0.01;
constexpr int kGuessObservations = 10;  // what the first guess counts for
constexpr double kLeastGain = 0.05;
constexpr i64 kProbeEveryTokens = 256, kMostProbeTokens = 4096;
constexpr int kProbeSteps = 4;
// A draft this unlikely is never worth its row; leaving it out keeps the list short.
constexpr double kLeastProbability = 0.02;
// The first guess: DeepSeek-V3 reports 81 to 82 % for its one module; further ones do worse.
constexpr DraftAcceptance kFirstGuess = {0.8, 0.6, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4};

/// A mean over all observations while they are few, then one that forgets at `rate`.
void move(double& mean, int& observations, bool kept, double rate) {
  ++observations;
  mean += std::max(1.0 / (kGuessObservations + observations), rate) * ((kept ? 1 : 0) - mean);
}

}  // namespace

DraftLength::DraftLength(int max_drafts, i64 max_sequences)
    : max_drafts_(max_drafts), acceptance_(kFirstGuess) {
  FATHOM_CHECK(max_drafts >= 0 && max_drafts <= kMaxDrafts, "drafts ", max_drafts);
  candidates_.reserve(static_cast<size_t>(max_drafts * max_sequences));
}

DraftHistory DraftLength::begin() const {
  // If drafts are off for all, short sequences would never come to their own probe.
  return {.acceptance = acceptance_,
          .tokens_since_probe = std::min(tokens_since_draft_, kProbeEveryTokens)};
}

void DraftLength::collect(std::span<const Sequence> batch) {
  candidates_.clear();
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto most = static_cast<int>(std::clamp<i64>(batch[i].limit, 0, max_drafts_));
    double probability = 1;
    for (int j = 0; j < most; ++j) {
      probability *= batch[i].history->acceptance[static_cast<size_t>(j)];
      if (probability < kLeastProbability) break;
      candidates_.push_back({probability, j, i});
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
    return std::tuple(-a.probability, a.position, a.sequence) <
           std::tuple(-b.probability, b.position, b.sequence);
  });
}

size_t DraftLength::best_count(size_t sequences, i64 pairs, const CostModel& cost) const {
  const auto b = static_cast<double>(sequences);
  const auto rows = static_cast<i64>(sequences);
  const double without = b / cost.decode.seconds(rows, pairs);
  double tokens = b, draft_s = 0, best = without;
  std::array<i64, kMaxDrafts> at_depth{};
  size_t count = 0;
  for (size_t m = 0; m < candidates_.size(); ++m) {
    tokens += candidates_[m].probability;
    i64& there = at_depth[static_cast<size_t>(candidates_[m].position)];
    draft_s += cost.draft.seconds(there + 1, 0) - (there == 0 ? 0 : cost.draft.seconds(there, 0));
    ++there;
    const auto more = static_cast<i64>(m + 1);
    const double rate =
        tokens / (cost.decode.seconds(rows + more, pairs + pairs * more / rows) + draft_s);
    const double drafting = static_cast<double>(at_depth[0]) / b;
    if (rate <= best || rate < without * (1 + kLeastGain * drafting)) continue;
    best = rate;
    count = m + 1;
  }
  return count;
}

void DraftLength::probe(Sequence& sequence) {
  DraftHistory& history = *sequence.history;
  if (sequence.drafts >= std::min<i64>(sequence.limit, max_drafts_)) return;
  if (history.probe_steps == 0) {
    if (history.tokens_since_probe < history.probe_every_tokens) return;
    history.probe_every_tokens = std::min(2 * history.probe_every_tokens, kMostProbeTokens);
    history.tokens_since_probe = 0;
    history.probe_steps = kProbeSteps;
    history.observations[static_cast<size_t>(sequence.drafts)] = 0;
  }
  --history.probe_steps;
  ++sequence.drafts;
}

void DraftLength::choose(std::span<Sequence> batch, i64 pairs, const CostModel& cost) {
  for (Sequence& each : batch) each.drafts = 0;
  if (batch.empty() || max_drafts_ == 0) return;
  collect(batch);
  const size_t count = best_count(batch.size(), pairs, cost);
  for (size_t m = 0; m < count; ++m) ++batch[candidates_[m].sequence].drafts;
  for (Sequence& each : batch) {
    if (each.drafts > 0) each.history->probe_every_tokens = kProbeEveryTokens;
    probe(each);
    if (each.drafts > 0) continue;
    const auto reason = each.limit <= 0 ? DraftsOff::kNoRoom : DraftsOff::kNoGain;
    ++counters_.disabled_steps[static_cast<size_t>(reason)];
  }
}

void DraftLength::observe(DraftHistory& history, int drafts, int accepted, i64 emitted) {
  FATHOM_CHECK(accepted >= 0 && accepted <= drafts && drafts <= max_drafts_, accepted, " of ",
               drafts, " drafts");
  history.tokens_since_probe += emitted;
  tokens_since_draft_ += emitted;
  if (drafts == 0) return;
  tokens_since_draft_ = 0;
  ++counters_.drafts;
  counters_.draft_tokens += static_cast<u64>(drafts);
  counters_.accepted_tokens += static_cast<u64>(accepted);
  // Nothing is learnt of what stands behind the first that was not kept.
  for (int j = 0; j < std::min(accepted + 1, drafts); ++j) {
    const auto i = static_cast<size_t>(j);
    const bool kept = j < accepted;
    counters_.accepted_per_position[i] += kept ? 1 : 0;
    move(acceptance_[i], observations_[i], kept, kServerRate);
    move(history.acceptance[i], history.observations[i], kept, kSequenceRate);
  }
}

}  // namespace fathom::engine
