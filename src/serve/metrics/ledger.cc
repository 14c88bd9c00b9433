#include "serve/metrics/ledger.h"

#include <fmt/format.h>

#include <chrono>

#include "base/log.h"
#include "base/text.h"
#include "io/json.h"
#include "serve/accounts/limits/period.h"
#include "serve/metrics/json_log.h"

namespace fathom::serve {
namespace {

constexpr size_t kMostPathBytes = 200;

double unix_now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double ms(double seconds) { return seconds * 1e3; }

/// Counts and times, never a word of what was said.
io::JsonObject log_fields(const UsageRecord& record) {
  io::JsonObject fields;
  fields.set("request_id", record.request_id);
  fields.set("key", record.caller.key_name);
  fields.set("endpoint", record.facts.endpoint);
  fields.set("model", printable(record.facts.model));
  fields.set("status", record.status);
  if (!record.finish_reason.empty()) fields.set("finish_reason", record.finish_reason);
  if (!record.error_code.empty()) fields.set("error_code", record.error_code);
  fields.set("stream", record.facts.stream);
  fields.set("prompt_tokens", record.facts.prompt_tokens);
  fields.set("cached_tokens", record.cached_tokens);
  fields.set("completion_tokens", record.completion_tokens);
  fields.set("reasoning_tokens", record.reasoning_tokens);
  fields.set("queue_ms", ms(record.queue_s));
  fields.set("first_token_ms", ms(record.first_token_s));
  fields.set("total_ms", ms(record.total_s));
  return fields;
}

io::JsonObject audit_fields(const UsageRecord& record) {
  io::JsonObject fields;
  fields.set("time", utc_time(static_cast<i64>(record.started_s)));
  fields.set("key_id", record.caller.key_id);
  fields.set("peer", record.peer);
  fields.set("end_user", record.facts.end_user);
  for (const auto& [name, value] : log_fields(record)) fields.set(name, value);
  if (!record.asked.is_null()) fields.set("asked", record.asked);
  if (!record.answers.empty()) fields.set("answers", record.answers);
  return fields;
}

/// Of a request that was never queued, perhaps of nobody.
io::JsonObject refusal_fields(const std::string& request_id, const std::string& path, int status,
                              const std::string& code) {
  io::JsonObject fields;
  fields.set("time", utc_time(static_cast<i64>(unix_now_s())));
  fields.set("request_id", request_id);
  fields.set("endpoint", printable(path.substr(0, kMostPathBytes)));
  fields.set("status", status);
  fields.set("error_code", code);
  return fields;
}

}  // namespace

void Ledger::finish(const OpenRequest& request, const UsageRecord& record) {
  open_.close(request);
  accounts_.finish(record);
  metrics_.finish(record);
  if (audit_ != nullptr) audit_->add(audit_fields(record));
  if (!log::enabled(log::Level::kInfo)) return;
  if (log_as_json_) {
    log_members(log::Level::kInfo, log_fields(record));
  } else {
    log::info(
        "{} {} {}: {} prompt tokens ({} cached), {} generated, first after {:.1f} ms, {:.1f} ms",
        record.request_id, record.facts.endpoint, record.status, record.facts.prompt_tokens,
        record.cached_tokens, record.completion_tokens, ms(record.first_token_s),
        ms(record.total_s));
  }
}

void Ledger::refused(const std::string& request_id, const std::string& endpoint, int status,
                     const std::string& code) {
  metrics_.refused(code);
  if (audit_ != nullptr) audit_->add(refusal_fields(request_id, endpoint, status, code));
  log::debug("{} {} {} {}", request_id, printable(endpoint), status, code);
}

}  // namespace fathom::serve
