#pragma once
#include "base/types.h"

namespace fathom::serve {

/// A rate of so much a minute that may be used in one go and then fills again evenly. Times are
/// seconds of any clock; one that is set back stands still.
class TokenBucket {
 public:
  /// 0: no limit. Full at first.
  explicit TokenBucket(i64 per_minute = 0)
      : capacity_(static_cast<double>(per_minute)), level_(capacity_) {}

  /// Seconds until `amount` is there; 0: it is. More than a minute's worth needs a full bucket, and
  /// its taker owes the rest.
  double wait_s(double amount, double now_s);
  /// The level may fall below zero, as it does where a request turns out larger than it looked.
  void take(double amount, double now_s);
  void give_back(double amount);
  /// A new rate keeps what was used of the old one.
  void set_rate(i64 per_minute, double now_s);

  bool is_limited() const { return capacity_ > 0; }
  i64 limit() const { return static_cast<i64>(capacity_); }
  i64 remaining(double now_s);
  double full_in_s(double now_s);

 private:
  void fill(double now_s);
  double per_second() const { return capacity_ / 60; }

  double capacity_;
  double level_;
  double filled_s_ = 0;
  bool is_started_ = false;
};

}  // namespace fathom::serve
