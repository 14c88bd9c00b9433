#include "serve/accounts/limits/limits.h"

namespace fathom::serve {
namespace {

LimitsLeft::Rate left_of(TokenBucket& bucket, double now_s) {
  if (!bucket.is_limited()) return {};
  return {.limit = bucket.limit(),
          .remaining = bucket.remaining(now_s),
          .full_in_s = bucket.full_in_s(now_s)};
}

}  // namespace

void Limits::set_keys(std::span<const Key> keys, double now_s) {
  const Lock lock(mutex_);
  std::unordered_map<std::string, const Key*> known;
  for (const Key& key : keys) {
    known[key.id] = &key;
    keys_.try_emplace(key.id, key.settings, now_s).first->second.set_settings(key.settings, now_s);
  }
  std::erase_if(keys_, [&known](const auto& entry) {
    return !known.contains(entry.first) && entry.second.is_idle();
  });
}

std::optional<Refusal> Limits::admit(const Key& key, const Reservation& asked, double now_s,
                                     LimitsLeft& left) {
  const Lock lock(mutex_);
  KeyLimits& limits = keys_.try_emplace(key.id, key.settings, now_s).first->second;
  const auto refusal = limits.admit(asked, now_s);
  left = {.requests = left_of(limits.requests(), now_s), .tokens = left_of(limits.tokens(), now_s)};
  return refusal;
}

void Limits::finish(const std::string& key_id, const Reservation& asked, const Spent& spent,
                    double now_s) {
  const Lock lock(mutex_);
  const auto found = keys_.find(key_id);
  if (found != keys_.end()) found->second.finish(asked, spent, now_s);
}

void Limits::written(const std::string& key_id, i64 tokens, Nano cost, i64 end_s) {
  const Lock lock(mutex_);
  const auto found = keys_.find(key_id);
  if (found != keys_.end()) found->second.written(tokens, cost, end_s);
}

void Limits::set_totals(const std::string& key_id, const PeriodTotals& totals, double now_s) {
  const Lock lock(mutex_);
  const auto found = keys_.find(key_id);
  if (found != keys_.end()) found->second.set_totals(totals, now_s);
}

std::vector<std::pair<std::string, Period>> Limits::with_periods() const {
  const Lock lock(mutex_);
  std::vector<std::pair<std::string, Period>> keys;
  for (const auto& [id, limits] : keys_) {
    const KeySettings& settings = limits.settings();
    if (settings.quota_tokens > 0 || settings.budget > 0) keys.emplace_back(id, settings.period);
  }
  return keys;
}

}  // namespace fathom::serve
