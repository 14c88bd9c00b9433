#pragma once
// Counters and histograms for Prometheus, by vLLM's stems.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"
#include "engine/engine.h"
#include "serve/accounts/accounts.h"

namespace fathom::serve {

class Histogram {
 public:
  /// `bounds` rise; a value falls into the first that is not below it.
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}
  void add(double value);
  /// The lines of the text format; `labels`: `model="x"`.
  void write(std::string_view name, std::string_view help, std::string_view labels,
             std::string& out) const;

 private:
  std::vector<double> bounds_;
  std::vector<u64> counts_;
  double sum_ = 0.0;
};

/// How requests ended, counted by finish reason, error code, reason of refusal, and phase.
struct Outcomes {
  std::map<std::string, i64> finished, failed, refused, cancelled;
};

class Metrics {
 public:
  Metrics();
  void finish(const UsageRecord& record);
  void refused(const std::string& code);
  void began() { add(running_requests_, 1); }

  Outcomes outcomes() const;
  /// Prometheus's text format; `engine` may be null while the model loads.
  std::string text(const std::string& model, const engine::Engine* engine) const;

 private:
  void add(i64& value, i64 by) {
    const Lock lock(mutex_);
    value += by;
  }

  mutable Mutex mutex_;
  i64 running_requests_ = 0;
  i64 prompt_tokens_ = 0, cached_tokens_ = 0, generated_tokens_ = 0;
  std::map<std::string, i64> successes_, errors_, rejections_, cancellations_;
  Histogram first_token_s_, token_s_, total_s_, queue_s_, prefill_s_, decode_s_;
  Histogram prompt_sizes_, answer_sizes_;
};

}  // namespace fathom::serve
