#include "serve/accounts/limits/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace fathom::serve {

void TokenBucket::fill(double now_s) {
  if (is_started_ && now_s > filled_s_) {
    level_ = std::min(capacity_, level_ + (now_s - filled_s_) * per_second());
  }
  filled_s_ = is_started_ ? std::max(filled_s_, now_s) : now_s;
  is_started_ = true;
}

double TokenBucket::wait_s(double amount, double now_s) {
  if (!is_limited()) return 0;
  fill(now_s);
  const double missing = std::min(amount, capacity_) - level_;
  return missing <= 0 ? 0 : missing / per_second();
}

void TokenBucket::take(double amount, double now_s) {
  if (!is_limited()) return;
  fill(now_s);
  level_ -= amount;
}

void TokenBucket::give_back(double amount) { level_ = std::min(capacity_, level_ + amount); }

void TokenBucket::set_rate(i64 per_minute, double now_s) {
  fill(now_s);
  const double used = capacity_ - level_;
  capacity_ = static_cast<double>(per_minute);
  level_ = capacity_ - used;
}

i64 TokenBucket::remaining(double now_s) {
  fill(now_s);
  return std::max<i64>(0, static_cast<i64>(std::floor(level_)));
}

double TokenBucket::full_in_s(double now_s) {
  if (!is_limited()) return 0;
  fill(now_s);
  return (capacity_ - level_) / per_second();
}

}  // namespace fathom::serve
