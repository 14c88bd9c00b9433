#include "posttrain/grpo/policy_rows.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::posttrain {

std::vector<PolicySample*> longest_first(std::span<PolicySample> samples) {
  std::vector<PolicySample*> sorted;
  for (PolicySample& sample : samples) sorted.push_back(&sample);
  std::ranges::stable_sort(sorted, std::greater<>{},
                           [](const PolicySample* sample) { return sample->ids.size(); });
  return sorted;
}

void fill_rows(std::span<const PolicySample* const> samples, i64 mtp_depth,
               data::SequenceBatch& batch) {
  i64 longest = 1;
  for (const PolicySample* sample : samples) longest = std::max(longest, std::ssize(sample->ids));
  const i64 rows = std::ssize(samples);
  batch.resize(rows, longest, mtp_depth);
  std::ranges::fill(batch.token_ids, 0);
  std::ranges::fill(batch.document_ordinals, data::kPadding);
  std::ranges::fill(batch.target_ids, data::kIgnoredTarget);
  for (i64 r = 0; r < rows; ++r) {
    const PolicySample& sample = *samples[static_cast<size_t>(r)];
    const i64 at = r * batch.row_tokens();
    std::ranges::copy(sample.ids, batch.token_ids.begin() + at);
    std::fill_n(batch.document_ordinals.begin() + at, sample.ids.size(), 0);
    for (i64 token = sample.prompt_tokens; token < std::ssize(sample.ids); ++token) {
      if (!sample.is_target(token)) continue;
      batch.target_ids[static_cast<size_t>(r * longest + token - 1)] =
          sample.ids[static_cast<size_t>(token)];
    }
    batch.sources[static_cast<size_t>(r)] = 0;
  }
}

void for_each_target(std::span<PolicySample* const> samples, i64 seq_len, i64 first, i64 count,
                     const std::function<void(PolicySample&, i64 token, i64 position)>& each) {
  for (i64 position = first; position < first + count; ++position) {
    PolicySample& sample = *samples[static_cast<size_t>(position / seq_len)];
    const i64 token = position % seq_len + 1;
    if (sample.is_target(token)) each(sample, token - sample.prompt_tokens, position);
  }
}

View<const i32, 3> fill_routes(std::span<const PolicySample* const> samples, i64 seq_len,
                               i64 moe_layers, i64 topk, std::vector<i32>& storage) {
  const i64 tokens = std::ssize(samples) * seq_len, per_token = moe_layers * topk;
  storage.assign(static_cast<size_t>(tokens * per_token), -1);
  const View<i32, 3> routes(storage.data(), {moe_layers, tokens, topk});
  for (i64 row = 0; row < std::ssize(samples); ++row) {
    const PolicySample& sample = *samples[static_cast<size_t>(row)];
    const i64 computed = std::ssize(sample.ids) - 1;  // nothing is computed of the last token
    FATHOM_CHECK(std::ssize(sample.routes) == computed * per_token, "routes ", sample.routes.size(),
                 " of ", computed, " tokens and ", per_token, " choices each");
    const u16* expert = sample.routes.data();
    for (i64 t = 0; t < computed; ++t) {
      for (i64 layer = 0; layer < moe_layers; ++layer) {
        for (i64 j = 0; j < topk; ++j) routes(layer, row * seq_len + t, j) = *expert++;
      }
    }
  }
  return routes;
}

LogProbRecorder::LogProbRecorder(std::span<PolicySample* const> samples, i64 seq_len, Member member,
                                 double temperature)
    : samples_(samples), seq_len_(seq_len), member_(member), temperature_(temperature) {
  for (PolicySample* sample : samples_) {
    (sample->*member_).assign(static_cast<size_t>(sample->answer_tokens()), 0.0);
  }
}

void LogProbRecorder::weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) {
  std::fill_n(weights.data(), weights.dim(0), 0.0f);
  for_each_target(samples_, seq_len_, first, nll.dim(0),
                  [&](PolicySample& sample, i64 token, i64 position) {
                    (sample.*member_)[static_cast<size_t>(token)] = -nll(position - first);
                  });
}

}  // namespace fathom::posttrain
