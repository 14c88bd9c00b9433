#include "serve/metrics/metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/handover/handover_counters.h"
#include "serve/metrics/text_format.h"

namespace fathom::serve {
namespace {

const std::vector<double> kLongSeconds = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,   2.5,
                                          5,    10,    20,   40,  80,   160, 320, 600};
const std::vector<double> kShortSeconds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                           0.1,   0.25,   0.5,   1,    2.5,   5};
const std::vector<double> kTokens = {1,    10,   50,    100,   200,   500,   1000,
                                     2000, 5000, 10000, 20000, 50000, 100000};

void write_by(std::string_view name, std::string_view help, std::string_view labels,
              std::string_view by, const std::map<std::string, i64>& values, std::string& out) {
  write_help(name, "counter", help, out);
  for (const auto& [key, value] : values) {
    out += fmt::format("fathom_{}{{{},{}=\"{}\"}} {}\n", name, labels, by, key, value);
  }
}

}  // namespace

void Histogram::add(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value);
  ++counts_[static_cast<size_t>(at - bounds_.begin())];
  sum_ += value;
}

void Histogram::write(std::string_view name, std::string_view help, std::string_view labels,
                      std::string& out) const {
  write_help(name, "histogram", help, out);
  u64 total = 0;
  for (size_t i = 0; i < bounds_.size(); ++i) {
    total += counts_[i];
    out += fmt::format("fathom_{}_bucket{{{},le=\"{}\"}} {}\n", name, labels, bounds_[i], total);
  }
  total += counts_.back();
  out += fmt::format(
      "fathom_{0}_bucket{{{1},le=\"+Inf\"}} {2}\nfathom_{0}_sum{{{1}}} {3}\n"
      "fathom_{0}_count{{{1}}} {2}\n",
      name, labels, total, sum_);
}

Metrics::Metrics()
    : first_token_s_(kLongSeconds),
      token_s_(kShortSeconds),
      total_s_(kLongSeconds),
      queue_s_(kLongSeconds),
      prefill_s_(kLongSeconds),
      decode_s_(kLongSeconds),
      prompt_sizes_(kTokens),
      answer_sizes_(kTokens) {}

void Metrics::finish(const UsageRecord& record) {
  const Lock lock(mutex_);
  --running_requests_;
  prompt_tokens_ += record.prompt_tokens;
  cached_tokens_ += record.cached_tokens;
  generated_tokens_ += record.completion_tokens;
  if (record.status == 499) {
    ++cancellations_[record.first_token_s > 0 ? "decode"
                     : record.queue_s > 0     ? "prefill"
                                              : "queue"];
  } else if (record.status == 200) {
    ++successes_[record.finish_reason];
  } else {
    ++errors_[record.error_code];
  }
  prompt_sizes_.add(static_cast<double>(record.facts.prompt_tokens));
  answer_sizes_.add(static_cast<double>(record.completion_tokens));
  if (record.queue_s > 0) queue_s_.add(record.queue_s);
  if (record.first_token_s <= 0) return;
  first_token_s_.add(record.first_token_s);
  prefill_s_.add(record.first_token_s - record.queue_s);
  if (record.status == 499 || record.total_s <= 0) return;
  const double decode_s = record.total_s - record.first_token_s;
  total_s_.add(record.total_s);
  decode_s_.add(decode_s);
  if (record.completion_tokens > 1) {
    token_s_.add(decode_s / static_cast<double>(record.completion_tokens - 1));
  }
}

void Metrics::refused(const std::string& code) {
  const Lock lock(mutex_);
  ++rejections_[code];
}

Outcomes Metrics::outcomes() const {
  const Lock lock(mutex_);
  return {.finished = successes_,
          .failed = errors_,
          .refused = rejections_,
          .cancelled = cancellations_};
}

namespace {

/// Of an engine over several ranks.
void write_experts(const engine::ExpertCounters& experts, const std::string& labels,
                   std::string& out) {
  if (experts.ranks == 1) return;
  const auto value = [&](std::string_view name, std::string_view type, std::string_view help,
                         auto number) {
    write_value(name, type, help, labels, static_cast<double>(number), out);
  };
  value("expert_load_imbalance", "gauge", "Largest over mean load of a rank, mean of layers.",
        experts.imbalance);
  value("expert_step_imbalance", "gauge", "The same of single rounds.", experts.step_imbalance);
  value("expert_load_imbalance_predicted", "gauge",
        "What placing the experts should have made of it.", experts.predicted);
  value("expert_placements_total", "counter", "Layers whose experts changed places.",
        experts.placements);
  value("expert_moved_bytes_total", "counter", "Weights that ranks sent each other for that.",
        experts.moved_bytes);
}

/// Of an engine whose ranks compute prompts and decode apart.
void write_handovers(const engine::HandoverCounters& counters, const std::string& labels,
                     std::string& out) {
  if (counters.prefill_ranks == 0) return;
  write_help("handover_requests", "gauge", "Requests between submission and decoding.", out);
  const auto phase = [&](std::string_view name, i64 count) {
    out += fmt::format("fathom_handover_requests{{{},phase=\"{}\"}} {}\n", labels, name, count);
  };
  phase("prompt", counters.prompts);
  phase("rows", counters.rows);
  phase("place", counters.places);
  write_help("handovers_total", "counter", "Hand-overs of a prompt's rows.", out);
  const auto outcome = [&](std::string_view name, u64 count) {
    out += fmt::format("fathom_handovers_total{{{},outcome=\"{}\"}} {}\n", labels, name, count);
  };
  outcome("done", counters.done);
  outcome("refused", counters.refused);
  outcome("aborted", counters.aborted);
  outcome("lost", counters.lost);
  const auto counter = [&](std::string_view name, std::string_view help, auto number) {
    write_value(name, "counter", help, labels, static_cast<double>(number), out);
  };
  counter("handover_pages_total", "Pages that arrived.", counters.pages);
  counter("handover_bytes_total", "Bytes of these.", counters.bytes);
  counter("handover_prompt_seconds_total", "From submission to a prompt's last row.",
          counters.prompt_s);
  counter("handover_rows_seconds_total", "From there to the rows' arrival.", counters.rows_s);
}

}  // namespace

std::string Metrics::text(const std::string& model, const engine::Engine* engine) const {
  std::string out;
  const std::string labels = fmt::format("model=\"{}\"", label_text(model));
  const auto counter = [&](std::string_view name, std::string_view help, auto value) {
    write_value(name, "counter", help, labels, static_cast<double>(value), out);
  };
  const auto gauge = [&](std::string_view name, std::string_view help, auto value) {
    write_value(name, "gauge", help, labels, static_cast<double>(value), out);
  };
  {
    const Lock lock(mutex_);
    counter("prompt_tokens_total", "Tokens of prompts that were computed or found in the cache.",
            prompt_tokens_);
    counter("prompt_tokens_cached_total", "Of those, found in the cache.", cached_tokens_);
    counter("generation_tokens_total", "Tokens generated.", generated_tokens_);
    write_by("request_success_total", "Requests that were answered.", labels, "finished_reason",
             successes_, out);
    write_by("request_errors_total", "Requests that were queued and failed.", labels, "code",
             errors_, out);
    write_by("requests_rejected_total", "Requests that were refused.", labels, "reason",
             rejections_, out);
    write_by("requests_cancelled_total", "Requests whose client went away.", labels, "phase",
             cancellations_, out);
    gauge("num_requests_open", "Requests that are queued or run.", running_requests_);
    first_token_s_.write("time_to_first_token_seconds", "From submission.", labels, out);
    token_s_.write("inter_token_latency_seconds", "Mean of each request.", labels, out);
    total_s_.write("e2e_request_latency_seconds", "From submission to the end.", labels, out);
    queue_s_.write("request_queue_time_seconds", "From submission to the start.", labels, out);
    prefill_s_.write("request_prefill_time_seconds", "From the start to a token.", labels, out);
    decode_s_.write("request_decode_time_seconds", "From a token to the end.", labels, out);
    prompt_sizes_.write("request_prompt_tokens", "Tokens of a prompt.", labels, out);
    answer_sizes_.write("request_generation_tokens", "Tokens of an answer.", labels, out);
  }
  if (engine == nullptr) return out;
  const engine::EngineCounters counters = engine->counters();
  const double pages = static_cast<double>(engine->num_pages());
  const double held = pages - static_cast<double>(engine->num_free_pages());
  gauge("num_requests_running", "Sequences that hold pages.", engine->num_running());
  gauge("num_requests_waiting", "Requests in the engine's queue.", engine->num_waiting());
  gauge("kv_cache_usage_perc", "Share of the cache's pages that hold rows, 0 to 1.", held / pages);
  counter("num_preemptions_total", "Requests that gave up their pages.", counters.preemptions);
  counter("prefix_cache_queries_total", "Prompts that were looked for.", counters.cache_queries);
  counter("prefix_cache_hits_total", "Tokens that were found.", counters.cached_tokens);
  counter("disk_cache_hits_total", "Pages that were read back from disk.",
          counters.disk.pages_read);
  counter("disk_cache_misses_total", "Searches on disk that found no page.", counters.disk.misses);
  counter("disk_cache_corrupt_total", "Files that were damaged, and are gone.",
          counters.disk.damaged);
  gauge("disk_cache_bytes", "Of all its files.", counters.disk.size_bytes);
  counter("engine_steps_total", "Steps of the engine.", counters.steps);
  counter("spec_decode_num_drafts_total", "Runs of drafts.", counters.drafts.drafts);
  counter("spec_decode_num_draft_tokens_total", "Tokens proposed by MTP.",
          counters.drafts.draft_tokens);
  counter("spec_decode_num_accepted_tokens_total", "Of those, kept.",
          counters.drafts.accepted_tokens);
  write_experts(counters.experts, labels, out);
  if (const auto* apart = dynamic_cast<const engine::HandsOver*>(engine)) {
    write_handovers(apart->handover_counters(), labels, out);
  }
  gauge("engine_stalled_seconds", "Since the last step, while there is work.", engine->stalled_s());
  return out;
}

}  // namespace fathom::serve
