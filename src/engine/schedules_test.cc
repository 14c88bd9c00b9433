// Random schedules: whatever arrives, leaves, is evicted, preempted, drafted or masked, each
// request gets what it gets alone, without drafts, from an engine that has seen nothing before.
#include <cstdlib>
#include <map>

#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

/// A stream of random numbers.
class Dice {
 public:
  explicit Dice(u64 seed) : rng_(seed, 77) {}
  i64 below(i64 limit) { return static_cast<i64>(rng_.at(next_++)[0] % static_cast<u64>(limit)); }
  bool one_in(i64 n) { return below(n) == 0; }

 private:
  Philox rng_;
  u64 next_ = 0;
};

/// One of a few hundred requests; a few beginnings are shared by many.
GenerateRequest random_request(i64 number) {
  Dice dice(static_cast<u64>(number) + 1000);
  GenerateRequest request;
  const i64 beginning = dice.below(3);
  Dice shared(static_cast<u64>(beginning));
  const i64 begin = shared.below(300), own = 1 + dice.below(dice.one_in(4) ? 200 : 12);
  for (i64 i = 0; i < begin; ++i) request.prompt_ids.push_back(static_cast<i32>(shared.below(276)));
  for (i64 i = 0; i < own; ++i) request.prompt_ids.push_back(static_cast<i32>(dice.below(276)));
  request.max_tokens = 1 + dice.below(dice.one_in(3) ? 420 : 25);
  request.num_choices = dice.one_in(5) ? 1 + dice.below(3) : 1;
  request.sampling.seed = static_cast<u64>(dice.below(1000));
  const double temperatures[] = {0.0, 0.0, 0.7, 1.3};
  request.sampling.temperature = temperatures[dice.below(4)];
  if (dice.one_in(3)) request.sampling.top_p = 0.9;
  if (dice.one_in(3)) request.sampling.presence_penalty = 1.5;
  if (dice.one_in(4)) request.sampling.frequency_penalty = 0.5;
  if (dice.one_in(4)) request.sampling.repetition_penalty = 1.3;
  if (dice.one_in(6)) request.sampling.logit_bias = {{static_cast<i32>(dice.below(276)), 4.0}};
  if (dice.one_in(3)) request.stop_token_ids = {static_cast<i32>(dice.below(276)), 17, 90};
  if (dice.one_in(4)) request.min_tokens = dice.below(10);
  if (dice.one_in(5)) request.stop = {"a", "\x10"};
  if (dice.one_in(3)) request.top_log_probs = dice.below(3);
  if (dice.one_in(4)) {
    const u64 seed = static_cast<u64>(number);
    const i64 length = 1 + dice.below(40);
    request.make_mask = [=] { return std::make_unique<HashMask>(seed, length); };
  }
  if (dice.one_in(8)) request.draft = false;
  request.tenant = dice.one_in(2) ? "a" : "b";
  if (dice.one_in(5)) {
    const auto end_id = static_cast<i32>(100 + dice.below(100));
    std::erase(request.stop_token_ids, end_id);
    request.thinking = {.end_id = end_id, .max_tokens = dice.below(20)};
  }
  return request;
}

struct Variant {
  const char* name;
  std::unique_ptr<TestModel> (*model)();
  ops::CacheDType cache = ops::CacheDType::kBf16;
  bool often_right = false;  // the drafts
};
void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }

template <i64 kModules>
std::unique_ptr<TestModel> random_v3() {
  return std::make_unique<TestModel>(tiny_v3(kModules), 0.06);
}
template <i64 kModules>
std::unique_ptr<TestModel> often_right_v3() {
  return std::make_unique<TestModel>([](Ctx& ctx, const std::string& path) {
    write_predictable_checkpoint(ctx, tiny_v3(kModules), path, /*context_share=*/0.03f);
  });
}
std::unique_ptr<TestModel> random_llama() { return std::make_unique<TestModel>(tiny_llama(), 0.1); }

class SchedulesTest : public ::testing::TestWithParam<Variant> {
 protected:
  static constexpr i64 kContext = 640;
  testing::ScopedThreads one_thread_{1};

  const std::vector<Answer>& alone(i64 number) {
    auto& answers = alone_[number];
    if (answers.empty()) {
      const auto engine = model_->engine(
          {.context_tokens = kContext, .cache_dtype = GetParam().cache, .draft_tokens = 0});
      answers = run_alone(*engine, random_request(number));
    }
    return answers;
  }

  struct Running {
    i64 number;
    std::shared_ptr<Stream> stream;
    std::vector<Answer> answers;
    bool cancelled = false;
  };

  /// A cancelled choice has the beginning of what it would have had.
  static void expect_prefix(const Answer& got, const Answer& want) {
    ASSERT_LE(got.ids.size(), want.ids.size());
    EXPECT_TRUE(std::equal(got.ids.begin(), got.ids.end(), want.ids.begin()));
  }

  void check(const Running& running) {
    for (size_t choice = 0; choice < running.answers.size(); ++choice) {
      const Answer &got = running.answers[choice], &want = alone(running.number)[choice];
      ASSERT_TRUE(got.reason) << "request " << running.number << " never ended";
      if (running.cancelled && *got.reason == FinishReason::kInterrupted) {
        expect_prefix(got, want);
      } else {
        EXPECT_EQ(got.ids, want.ids) << "request " << running.number << " choice " << choice;
        EXPECT_EQ(got.log_probs, want.log_probs) << "request " << running.number;
        EXPECT_EQ(got.text, want.text);
        EXPECT_EQ(got.reason, want.reason);
      }
    }
  }

  void run_schedule(u64 seed) {
    Dice dice(seed);
    EngineOptions options{.context_tokens = kContext,
                          // Sometimes room for little more than one request.
                          .cache_tokens = kContext + dice.below(3) * 128,
                          .cache_dtype = GetParam().cache,
                          .draft_tokens = dice.below(4),
                          .adaptive_drafts = dice.one_in(4)};
    options.limits.max_running = 1 + dice.below(9);
    options.limits.max_queue_s = 1e9;  // however slow this machine is
    options.limits.chunk_tokens = 1 + dice.below(300);
    options.limits.min_chunk_tokens = std::min<i64>(options.limits.chunk_tokens, 16);
    const testing::TempDir directory;
    if (dice.one_in(4)) {  // what is evicted and preempted goes there
      options.disk = {.directory = directory.path() / "pages",
                      .max_bytes = dice.one_in(2) ? i64{1} << 30 : 300'000,
                      .content = "tiny"};
    }
    const auto engine = model_->engine(options);
    std::vector<Running> running;
    i64 to_come = 2 + dice.below(10);
    for (i64 step = 0; to_come > 0 || !running.empty(); ++step) {
      ASSERT_LT(step, 20000) << "nothing goes on";
      while (to_come > 0 && dice.one_in(3)) {
        --to_come;
        const i64 number = dice.below(kRequests);
        GenerateRequest request = random_request(number);
        if (request.num_choices > options.limits.max_running) continue;
        const size_t choices = static_cast<size_t>(request.num_choices);
        const Submission submission = value_or_throw(engine->submit(std::move(request)));
        ASSERT_NE(submission.stream, nullptr);
        running.push_back({.number = number,
                           .stream = submission.stream,
                           .answers = std::vector<Answer>(choices)});
      }
      engine->step();
      for (Running& each : running) {
        if (dice.one_in(60)) {
          each.stream->cancel();
          each.cancelled = true;
        }
        if (!dice.one_in(4)) collect(*each.stream, each.answers);
      }
      std::erase_if(running, [&](const Running& each) {
        if (!each.stream->done()) return false;
        check(each);
        return true;
      });
    }
    EXPECT_EQ(engine->num_free_pages() + engine->num_cached_pages(), engine->num_pages());
    counters_.preemptions += engine->counters().preemptions;
    counters_.drafts.accepted_tokens += engine->counters().drafts.accepted_tokens;
    counters_.drafts.draft_tokens += engine->counters().drafts.draft_tokens;
  }

  static constexpr i64 kRequests = 200;
  std::unique_ptr<TestModel> model_ = GetParam().model();
  std::map<i64, std::vector<Answer>> alone_;
  EngineCounters counters_{};
};

INSTANTIATE_TEST_SUITE_P(
    Models, SchedulesTest,
    ::testing::Values(
        Variant{"NoModule", random_v3<0>}, Variant{"OneModule", random_v3<1>},
        Variant{"TwoModules", random_v3<2>},
        Variant{"OneModuleOftenRightFp8", often_right_v3<1>, ops::CacheDType::kFp8, true},
        Variant{"TwoModulesOftenRightF32", often_right_v3<2>, ops::CacheDType::kF32, true},
        Variant{"LlamaFp8", random_llama, ops::CacheDType::kFp8}),
    [](const auto& c) { return std::string(c.param.name); });

TEST_P(SchedulesTest, EachRequestGetsWhatItGetsAlone) {
  const char* const asked = std::getenv("FATHOM_SCHEDULES");
  const u64 schedules = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 20;
  // Who comes when is a matter of the clock too: on, until pages ran out once.
  const auto goes_on = [&](u64 seed) {
    return seed < schedules || (counters_.preemptions == 0 && seed < 10 * schedules);
  };
  for (u64 seed = 0; goes_on(seed) && !HasFailure(); ++seed) {
    SCOPED_TRACE("schedule " + std::to_string(seed));
    run_schedule(seed);
  }
  EXPECT_GT(counters_.preemptions, 0u) << "no schedule ran out of pages";
  if (GetParam().often_right) {
    EXPECT_GT(counters_.drafts.accepted_tokens, counters_.drafts.draft_tokens / 10);
  }
  if (model_->model->num_mtp() > 0) {
    EXPECT_GT(counters_.drafts.draft_tokens, counters_.drafts.accepted_tokens);
  }
}

}  // namespace
}  // namespace fathom::engine
