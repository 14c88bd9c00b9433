#pragma once
// What one key has used of what it may use. Not for several threads; Limits (limits.h) is.
#include <optional>

#include "serve/accounts/keys/key.h"
#include "serve/accounts/limits/token_bucket.h"

namespace fathom::serve {

/// What a request may come to, held back of the limits until it has ended.
struct Reservation {
  i64 tokens = 0;
  Nano cost = 0;
};

/// What it came to.
struct Spent {
  double work = 0;  // tokens, cached ones counted by their weight: what rates are about
  i64 tokens = 0;   // all: what quotas are about
  Nano cost = 0;
};

/// What a period has seen so far.
struct PeriodTotals {
  i64 begin_s = 0;
  i64 tokens = 0;
  Nano cost = 0;
};

struct Refusal {
  enum class Kind { kRequests, kTokens, kParallel, kQuota, kBudget };
  Kind kind = Kind::kRequests;
  double wait_s = 0;  // until it may be worth another try
  i64 limit = 0, used = 0, asked = 0;
};

class KeyLimits {
 public:
  KeyLimits(const KeySettings& settings, double now_s);

  /// nullopt: it may run, and is counted until finish().
  std::optional<Refusal> admit(const Reservation& asked, double now_s);
  void finish(const Reservation& asked, const Spent& spent, double now_s);

  /// The row of a request that ended at `end_s` stands in the database now.
  void written(i64 tokens, Nano cost, i64 end_s);
  /// What the database says of the period, by all servers; rows that are not written yet apart.
  void set_totals(const PeriodTotals& totals, double now_s);
  void set_settings(const KeySettings& settings, double now_s);

  bool is_idle() const { return running_ == 0; }
  const KeySettings& settings() const { return settings_; }
  TokenBucket& requests() { return requests_; }
  TokenBucket& tokens() { return tokens_; }

 private:
  std::optional<Refusal> refuse_of_period(const Reservation& asked, double now_s);
  void begin_period(double now_s);

  KeySettings settings_;
  TokenBucket requests_, tokens_;
  i64 running_ = 0;
  Reservation reserved_;      // of the running ones
  PeriodTotals written_;      // of this period, in the database
  i64 unwritten_tokens_ = 0;  // finished, on the way there
  Nano unwritten_cost_ = 0;
};

}  // namespace fathom::serve
