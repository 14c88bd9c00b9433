// Whether a new request may wait, and for how long it would.
#include <algorithm>

#include "engine/schedule/scheduler.h"

namespace fathom::engine {

AdmissionOutcome Scheduler::decide(const Request& request, double wait_s) const {
  const TenantTerms& terms = request.terms;
  const bool full =
      queue_.size() >= limits_.max_waiting ||
      queue_.prompt_tokens() + request.prompt_tokens > limits_.max_waiting_prompt_tokens ||
      (terms.max_waiting > 0 && queue_.waiting_of(request.tenant) >= terms.max_waiting);
  if (full) return AdmissionOutcome::kQueueFull;
  return wait_s > limits_.max_queue_s ? AdmissionOutcome::kWaitTooLong
                                      : AdmissionOutcome::kAccepted;
}

double Scheduler::work_s(i64 prompt_tokens, double decoded_tokens) const {
  const double layers = static_cast<double>(limits_.num_layers);
  const double prompt_token_s = layers * cost_.layer.seconds(limits_.chunk_tokens, 0) /
                                static_cast<double>(limits_.chunk_tokens);
  // What waits will decode beside the others, as far as there are rows.
  const i64 rows = std::clamp<i64>(running_rows_ + queue_.size(), 1, limits_.max_running);
  const double decoded_token_s = cost_.decode.seconds(rows, 0) / static_cast<double>(rows);
  return static_cast<double>(prompt_tokens) * prompt_token_s + decoded_tokens * decoded_token_s;
}

double Scheduler::running_work_s() const {
  i64 prompt_tokens = 0;
  double decoded_tokens = 0;
  for (const RequestId id : running_) {
    const Slot& each = slot(id);
    const double generated = static_cast<double>(each.generated);
    const double most = static_cast<double>(each.request.max_new_tokens) - generated;
    if (each.phase == Phase::kPrefill) prompt_tokens += each.total() - each.computed;
    // One that is longer than the mean already will go on for as long as a usual one.
    const double rest = generated < mean_generated_ ? mean_generated_ - generated : mean_generated_;
    decoded_tokens += std::clamp(most, 0.0, rest);
  }
  return work_s(prompt_tokens, decoded_tokens);
}

double Scheduler::estimated_wait_s(const Request& request) const {
  if (queue_.size() == 0 && running_rows_ + request.sequences <= limits_.max_running) return 0;
  const QueuedWork ahead = queue_.ahead_of(request.tenant, request.terms.weight);
  if (running_rows_ + ahead.requests + request.sequences <= limits_.max_running) {
    return work_s(ahead.prompt_tokens, 0);  // there are rows for all: nobody has to end first
  }
  const double generated = std::min(mean_generated_, static_cast<double>(request.max_new_tokens));
  // Its row becomes free somewhere on the way to the end of what runs now.
  return running_work_s() / 2 +
         work_s(ahead.prompt_tokens, generated * static_cast<double>(ahead.requests));
}

}  // namespace fathom::engine
