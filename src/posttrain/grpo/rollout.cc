#include "posttrain/grpo/rollout.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/rng.h"

namespace fathom::posttrain {
namespace {

/// A request's answers while they come.
struct Running {
  std::shared_ptr<engine::Stream> stream;
  size_t first_sample = 0;
};

engine::EngineOptions engine_options(const std::vector<RolloutPrompt>& prompts,
                                     const RolloutConfig& config) {
  i64 longest = 1;
  for (const RolloutPrompt& prompt : prompts) {
    longest = std::max(longest, std::ssize(prompt.prompt->ids));
  }
  constexpr double kNever = 1e12;  // nobody waits for an answer here
  const i64 samples = std::ssize(prompts) * config.group_size;
  engine::EngineOptions options;
  options.context_tokens = longest + config.max_new_tokens;
  options.limits.max_running = std::max(config.group_size, std::min(config.parallel, samples));
  options.limits.max_waiting = std::ssize(prompts) + 1;
  options.limits.max_waiting_prompt_tokens = std::ssize(prompts) * longest + 1;
  options.limits.max_queue_s = options.limits.wall_clock_s = options.limits.max_blocked_s = kNever;
  const i64 pages = ceil_div(options.context_tokens, device::kPageTokens) + 1;
  options.cache_tokens = (options.limits.max_running + 1) * pages * device::kPageTokens;
  options.cache_dtype = config.f32 ? ops::CacheDType::kF32 : ops::CacheDType::kBf16;
  options.run.activations = config.f32 ? ops::Activations::kF32 : ops::Activations::kBf16;
  options.cost_measurement_s = 0.0;
  options.draft_tokens = 0;
  options.keep_routes = config.routes;
  options.max_unread_bytes = i64{1} << 40;
  return options;
}

engine::GenerateRequest request_of(const RolloutPrompt& prompt, const RolloutConfig& config) {
  engine::GenerateRequest request;
  request.prompt_ids = prompt.prompt->ids;
  request.sampling.temperature = config.temperature;
  request.sampling.top_p = config.top_p;
  const auto words = Philox(config.seed, 0x67727067).at(static_cast<u64>(prompt.group));
  request.sampling.seed = u64{words[0]} << 32 | words[1];
  request.max_tokens = config.max_new_tokens;
  request.num_choices = config.group_size;
  request.stop_token_ids = config.end_ids;
  request.top_log_probs = 0;
  request.tempered_log_probs = true;
  return request;
}

/// Takes what came of a request; false: it has not ended.
bool take(const Running& running, engine::Events& news, std::vector<PolicySample>& samples) {
  while (running.stream->try_read(news)) {
    for (const engine::Event& event : news.events) {
      PolicySample& sample = samples[running.first_sample + static_cast<size_t>(event.choice)];
      using Kind = engine::Event::Kind;
      if (event.kind == Kind::kFinish && event.reason == engine::FinishReason::kError) {
        throw Error(ErrorCode::kInvalidInput, "rollout: " + running.stream->error());
      }
      const bool ends = event.kind == Kind::kFinish && event.id >= 0;
      if (event.kind == Kind::kToken || ends) {
        sample.ids.push_back(event.id);
        sample.rollout_log_probs.push_back(event.log_prob);
      }
      if (event.kind == Kind::kFinish) {
        sample.truncated = event.reason == engine::FinishReason::kLength;
      }
    }
  }
  return running.stream->done();
}

}  // namespace

std::vector<PolicySample> roll_out(Ctx& ctx, const model::Model& policy,
                                   const tokenizer::Tokenizer& tokenizer,
                                   const std::vector<RolloutPrompt>& prompts,
                                   const RolloutConfig& config) {
  std::vector<PolicySample> samples;  // outlives the engine, which may still write routes
  const auto engine = engine::make_engine(ctx, policy, &tokenizer, engine_options(prompts, config));
  std::vector<Running> running;
  for (const RolloutPrompt& prompt : prompts) {
    engine::GenerateRequest request = request_of(prompt, config);
    if (config.routes) {
      request.on_routes = [&samples, first = samples.size()](i32 choice,
                                                             std::span<const u16> experts) {
        samples[first + static_cast<size_t>(choice)].routes.assign(experts.begin(), experts.end());
      };
    }
    const auto submission = value_or_throw(engine->submit(std::move(request)));
    FATHOM_CHECK(submission.stream != nullptr, "the engine's queue is full");
    running.push_back({submission.stream, samples.size()});
    for (i64 choice = 0; choice < config.group_size; ++choice) {
      PolicySample& sample = samples.emplace_back();
      sample.prompt = prompt.number;
      sample.group = prompt.group;
      sample.choice = static_cast<i32>(choice);
      sample.ids = prompt.prompt->ids;
      sample.prompt_tokens = std::ssize(sample.ids);
    }
  }
  engine::Events news;
  while (!running.empty()) {
    const bool moved = engine->step();
    const size_t before = running.size();
    std::erase_if(running, [&](const Running& r) { return take(r, news, samples); });
    FATHOM_CHECK(moved || running.size() < before || running.empty(), "the engine stands still");
  }
  return samples;
}

}  // namespace fathom::posttrain
