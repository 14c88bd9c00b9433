#include "serve/metrics/ledger.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/text.h"
#include "io/json.h"

namespace fathom::serve {
namespace {

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

}  // namespace

void Ledger::finish(const UsageRecord& record) {
  accounts_.finish(record);
  metrics_.finish(record);
  if (!log::enabled(log::Level::kInfo)) return;
  if (log_as_json_) {
    log::info("{}", io::write_json(log_fields(record)));
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
  log::debug("{} {} {} {}", request_id, printable(endpoint), status, code);
}

}  // namespace fathom::serve
