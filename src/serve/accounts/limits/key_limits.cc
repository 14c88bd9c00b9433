#include "serve/accounts/limits/key_limits.h"

#include <algorithm>

namespace fathom::serve {
namespace {

/// No client can know when one of its own requests ends; the SDKs try again after this.
constexpr double kParallelRetryS = 1;

}  // namespace

KeyLimits::KeyLimits(const KeySettings& settings, double now_s)
    : settings_(settings),
      requests_(settings.requests_per_minute),
      tokens_(settings.tokens_per_minute) {
  begin_period(now_s);
}

/// Totals of a period that is over say nothing of this one.
void KeyLimits::begin_period(double now_s) {
  const i64 begin_s = period_begin(settings_.period, static_cast<i64>(now_s));
  if (written_.begin_s != begin_s) written_ = {.begin_s = begin_s};
}

std::optional<Refusal> KeyLimits::refuse_of_period(const Reservation& asked, double now_s) {
  begin_period(now_s);
  const double wait_s =
      static_cast<double>(period_end(settings_.period, static_cast<i64>(now_s))) - now_s;
  const i64 tokens = written_.tokens + unwritten_tokens_ + reserved_.tokens;
  if (settings_.quota_tokens > 0 && tokens + asked.tokens > settings_.quota_tokens) {
    return Refusal{Refusal::Kind::kQuota, wait_s, settings_.quota_tokens, tokens, asked.tokens};
  }
  const Nano cost = written_.cost + unwritten_cost_ + reserved_.cost;
  if (settings_.budget > 0 && cost + asked.cost > settings_.budget) {
    return Refusal{Refusal::Kind::kBudget, wait_s, settings_.budget, cost, asked.cost};
  }
  return std::nullopt;
}

std::optional<Refusal> KeyLimits::admit(const Reservation& asked, double now_s) {
  if (auto refusal = refuse_of_period(asked, now_s)) return refusal;
  if (settings_.max_parallel > 0 && running_ >= settings_.max_parallel) {
    return Refusal{Refusal::Kind::kParallel, kParallelRetryS, settings_.max_parallel, running_, 1};
  }
  if (const double wait_s = requests_.wait_s(1, now_s); wait_s > 0) {
    return Refusal{Refusal::Kind::kRequests, wait_s, requests_.limit(), requests_.limit(), 1};
  }
  const auto amount = static_cast<double>(asked.tokens);
  if (const double wait_s = tokens_.wait_s(amount, now_s); wait_s > 0) {
    const i64 used = tokens_.limit() - tokens_.remaining(now_s);
    return Refusal{Refusal::Kind::kTokens, wait_s, tokens_.limit(), used, asked.tokens};
  }
  requests_.take(1, now_s);
  tokens_.take(amount, now_s);
  ++running_;
  reserved_.tokens += asked.tokens;
  reserved_.cost += asked.cost;
  return std::nullopt;
}

void KeyLimits::finish(const Reservation& asked, const Spent& spent, double now_s) {
  --running_;
  reserved_.tokens -= asked.tokens;
  reserved_.cost -= asked.cost;
  if (running_ == 0) reserved_ = {};  // prices that changed meanwhile leave nothing behind
  const double rest = static_cast<double>(asked.tokens) - spent.work;
  if (rest >= 0) {
    tokens_.give_back(rest);
  } else {
    tokens_.take(-rest, now_s);
  }
  begin_period(now_s);
  unwritten_tokens_ += spent.tokens;
  unwritten_cost_ += spent.cost;
}

void KeyLimits::written(i64 tokens, Nano cost, i64 end_s) {
  unwritten_tokens_ -= tokens;
  unwritten_cost_ -= cost;
  if (period_begin(settings_.period, end_s) != written_.begin_s) return;
  written_.tokens += tokens;
  written_.cost += cost;
}

void KeyLimits::set_totals(const PeriodTotals& totals, double now_s) {
  begin_period(now_s);
  if (totals.begin_s == written_.begin_s) written_ = totals;
}

void KeyLimits::set_settings(const KeySettings& settings, double now_s) {
  if (settings.requests_per_minute != settings_.requests_per_minute) {
    requests_.set_rate(settings.requests_per_minute, now_s);
  }
  if (settings.tokens_per_minute != settings_.tokens_per_minute) {
    tokens_.set_rate(settings.tokens_per_minute, now_s);
  }
  settings_ = settings;
}

}  // namespace fathom::serve
