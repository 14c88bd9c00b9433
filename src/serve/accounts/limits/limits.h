#pragma once
// The limits of all keys. Any thread; nothing here waits.
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "serve/accounts/limits/key_limits.h"

namespace fathom::serve {

/// What is left of the rates of a key.
struct LimitsLeft {
  struct Rate {
    i64 limit = 0;  // 0: none
    i64 remaining = 0;
    double full_in_s = 0;
  };
  Rate requests, tokens;
};

class Limits {
 public:
  /// The keys there are, with their settings now; what they used so far stays. Others are forgotten
  /// once nothing of them runs.
  void set_keys(std::span<const Key> keys, double now_s);
  /// nullopt: it may run, and is counted until finish(). `left` is what rates have left afterwards.
  std::optional<Refusal> admit(const Key& key, const Reservation& asked, double now_s,
                               LimitsLeft& left);
  /// Once for each admission.
  void finish(const std::string& key_id, const Reservation& asked, const Spent& spent,
              double now_s);

  /// See KeyLimits.
  void written(const std::string& key_id, i64 tokens, Nano cost, i64 end_s);
  void set_totals(const std::string& key_id, const PeriodTotals& totals, double now_s);
  /// Keys with a quota or a budget, whose totals are wanted.
  std::vector<std::pair<std::string, Period>> with_periods() const;

 private:
  mutable Mutex mutex_;
  std::unordered_map<std::string, KeyLimits> keys_ FATHOM_GUARDED_BY(mutex_);
};

}  // namespace fathom::serve
