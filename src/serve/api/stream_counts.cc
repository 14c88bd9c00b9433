#include "serve/api/stream_counts.h"

#include <array>

#include "serve/api/usage_json.h"

namespace fathom::serve {

std::span<const FieldRule> stream_rules() {
  static constexpr std::array kRules = {FieldRule{"stream"}, FieldRule{"stream_options"},
                                        FieldRule{"timings_per_token"},
                                        FieldRule{"return_progress"}};
  return kRules;
}

StreamOptions read_stream_options(FieldReader& reader) {
  StreamOptions options;
  options.stream = reader.boolean("stream").value_or(false);
  options.timings = reader.boolean("timings_per_token").value_or(false);
  options.progress = reader.boolean("return_progress").value_or(false);
  const io::JsonObject* const given = reader.object("stream_options");
  if (given == nullptr) return options;
  FieldReader inner(*given, "stream_options.");
  options.include_usage = inner.boolean("include_usage").value_or(false);
  options.continuous_usage = inner.boolean("continuous_usage_stats").value_or(false);
  inner.boolean("include_obfuscation");
  if (inner.error()) reader.fail(*inner.error());
  return options;
}

std::string chunk_counts(const StreamOptions& options, const Run& run) {
  std::string members;
  if (options.continuous_usage) {
    members += ",\"usage\":" + io::write_json(openai_usage(run.usage()));
  } else if (options.include_usage) {
    members += ",\"usage\":null";
  }
  if (options.timings) members += ",\"timings\":" + io::write_json(timings(run.usage()));
  return members;
}

std::optional<io::JsonObject> PromptProgress::news(size_t prompt, const Usage& usage) {
  const engine::RequestStats& stats = usage.stats;
  const bool began = stats.prefilled_s > 0;
  if (!wanted_ || !began || stats.prefilled_tokens <= told_[prompt]) return std::nullopt;
  told_[prompt] = stats.prefilled_tokens;
  io::JsonObject progress;
  progress.set("total", usage.prompt_tokens);
  progress.set("cache", usage.cached_tokens);
  progress.set("processed", stats.prefilled_tokens);
  progress.set("time_ms", (stats.prefilled_s - stats.queue_s) * 1e3);
  return progress;
}

}  // namespace fathom::serve
