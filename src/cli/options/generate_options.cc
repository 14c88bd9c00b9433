#include "cli/options/generate_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <string_view>

#include "base/log.h"
#include "cli/arguments/value_check.h"
#include "config/model/generation_config.h"
#include "engine/measure/machine_limits.h"
#include "plan/model_size.h"

namespace fathom::cli {

void add_generate_options(Arguments& command, GenerateOptions& options) {
  engine::SamplingParams& s = options.sampling;
  command
      .add_option(
          "-n,--max-tokens", options.max_tokens,
          "Most tokens to generate; default: max_new_tokens of generation_config.json, else "
          "the number here")
      .check(integer_from(0))
      .show_default();
  command.add_option("-t,--temperature", s.temperature,
                     "0 takes the most likely token; 1 is the model's own distribution");
  command.add_flag("--greedy", options.greedy, "The same as --temperature 0");
  command.add_option("--top-k", s.top_k, "Sample among the K most likely tokens; 0 or -1: all");
  command.add_option("--top-p", s.top_p, "Sample among the fewest tokens with this probability");
  command.add_option("--min-p", s.min_p, "Drop tokens below this share of the likeliest one's");
  command.add_option("--repetition-penalty", s.repetition_penalty,
                     "Divide the logits of tokens seen in prompt or answer; 1: off");
  command.add_option("--presence-penalty", s.presence_penalty,
                     "Subtract once from logits of generated tokens, -2..2");
  command.add_option("--frequency-penalty", s.frequency_penalty,
                     "Subtract for each time a token was generated, -2..2");
  command.add_option("--seed", s.seed, "Seed of the sampler; default: from the clock, and logged");
  command.add_option("--stop", options.stop, "Text that ends the answer; may be repeated")
      .one_value_each();
  command.add_flag("--ignore-eos", options.ignore_eos, "Go on after an end-of-sequence token");
  command
      .add_option("--drafts", options.drafts,
                  "Tokens at most that the model's MTP modules propose for a step; they change the "
                  "speed, never the text; 0: none")
      .check(integer_between(0, engine::kMaxDrafts))
      .type_name("TOKENS")
      .show_default();
}

namespace {

/// Keys of generation_config.json that an option given stands above. The largest logit is taken
/// whatever top_k, top_p and min_p leave beside it.
std::vector<std::string_view> overridden_keys(const GenerateOptions& options,
                                              const std::function<bool(const char*)>& given) {
  std::vector<std::string_view> keys;
  const bool largest =
      options.greedy || (given("--temperature") && options.sampling.temperature == 0);
  if (largest || given("--temperature")) keys.insert(keys.end(), {"temperature", "do_sample"});
  if (largest || given("--top-k")) keys.push_back("top_k");
  if (largest || given("--top-p")) keys.push_back("top_p");
  if (largest || given("--min-p")) keys.push_back("min_p");
  if (given("--repetition-penalty")) keys.push_back("repetition_penalty");
  if (given("--max-tokens")) keys.push_back("max_new_tokens");
  if (options.ignore_eos) keys.push_back("eos_token_id");
  return keys;
}

}  // namespace

engine::GenerateRequest make_request(const GenerateOptions& options, const Arguments& command,
                                     const model::Model& model, const engine::TextCodec& codec) {
  const auto given = [&](const char* name) { return command.given(name); };
  // The checkpoint's own advice, where it gives any. Advice that is not taken need not be sound.
  const GenerationConfig published =
      value_or_throw(load_generation_config(model.directory(), overridden_keys(options, given)));
  engine::GenerateRequest request;
  request.sampling = options.sampling;
  if (!given("--temperature")) {
    if (published.temperature) request.sampling.temperature = *published.temperature;
    if (published.do_sample == false) request.sampling.temperature = 0.0;
  }
  if (!given("--top-k") && published.top_k) request.sampling.top_k = *published.top_k;
  if (!given("--top-p") && published.top_p) request.sampling.top_p = *published.top_p;
  if (!given("--min-p") && published.min_p) request.sampling.min_p = *published.min_p;
  if (!given("--repetition-penalty") && published.repetition_penalty) {
    request.sampling.repetition_penalty = *published.repetition_penalty;
  }
  if (request.sampling.top_k == -1) request.sampling.top_k = 0;  // another spelling of "all"
  if (options.greedy) request.sampling.temperature = 0.0;
  if (!given("--seed") && request.sampling.temperature > 0) {
    request.sampling.seed =
        static_cast<u64>(std::chrono::system_clock::now().time_since_epoch().count());
    log::info("seed {}", request.sampling.seed);
  }
  // More than the model can hold is as good as no limit, and cannot overflow a sum.
  const i64 max_tokens = given("--max-tokens")
                             ? options.max_tokens
                             : published.max_new_tokens.value_or(options.max_tokens);
  request.max_tokens = std::min(max_tokens, model.config().max_position_embeddings);
  request.stop = options.stop;
  if (!options.ignore_eos) {
    request.stop_token_ids = engine::stop_token_ids(codec, model.config(), published.eos_token_id);
  }
  return request;
}

namespace {

/// The machine's bandwidth for what one token reads, measured; 0 if there is no memory to measure
/// it with: a finished answer must not fail for its speed line.
double measured_bandwidth(i64 read_bytes) {
  try {
    return engine::read_bandwidth_bytes_per_s(read_bytes);
  } catch (const Error&) {
    return 0.0;
  }
}

/// " (45.8 % of the 46.0 GB/s read bandwidth)"; the bandwidth is measured once a process, and again
/// where the answer itself was read faster: something held the measurement up. Empty if it still
/// says less than what was seen.
std::string bandwidth_share(double tokens_per_s, const ModelConfig& config) {
  constexpr int kMeasurements = 4;
  static const i64 read_bytes = plan::model_size(config).read_bytes_per_token;
  static double limit = measured_bandwidth(read_bytes);
  const double used = tokens_per_s * static_cast<double>(read_bytes);
  for (int again = 1; again < kMeasurements && used > limit; ++again) {
    limit = std::max(limit, measured_bandwidth(read_bytes));
  }
  if (used > limit) return {};
  return fmt::format(" ({:.1f} % of the {:.1f} GB/s read bandwidth)", 100.0 * used / limit,
                     limit / 1e9);
}

}  // namespace

void report_speed(const engine::GenerateResult& result, const model::Model& model) {
  std::string line = fmt::format("{} prompt tokens", result.stats.prompt_tokens);
  const i64 reused = result.stats.cached_tokens;
  if (reused > 0) line += fmt::format(" ({} reused)", reused);
  line += fmt::format(", first token after {:.3f} s, {} tokens generated",
                      result.stats.first_token_s, result.token_ids.size());
  const i64 decoded = std::ssize(result.token_ids) - 1;
  if (decoded > 0 && result.decode_s > 0) {
    const double rate = static_cast<double>(decoded) / result.decode_s;
    line += fmt::format(" at {:.1f} tokens/s{}", rate, bandwidth_share(rate, model.config()));
  }
  if (result.stats.draft_tokens > 0) {
    line += fmt::format(", {} of {} drafts kept", result.stats.accepted_tokens,
                        result.stats.draft_tokens);
  }
  line += fmt::format(", finish reason {}", engine::finish_reason_name(result.finish_reason));
  log::info("{}", line);
}

}  // namespace fathom::cli
