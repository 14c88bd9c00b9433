// Requests that are not wanted any more, in every phase, and readers that stop reading: gone within
// a step, their pages back, nobody else touched.
#include <chrono>
#include <thread>

#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

class CancelTest : public ::testing::Test {
 protected:
  static EngineOptions options() {
    EngineOptions options{
        .context_tokens = 640, .cache_tokens = 4096, .draft_tokens = 3, .adaptive_drafts = false};
    // Prompts in many steps, and chunks that stop between two layers.
    options.limits.chunk_tokens = options.limits.min_chunk_tokens = 48;
    options.limits.target_s = 1e-9;
    options.limits.target_decodes = 1.0001;
    return options;
  }
  static GenerateRequest request(std::string_view text, i64 prompt_tokens, i64 max_tokens) {
    GenerateRequest request;
    request.prompt_ids = repeated_prompt(text, prompt_tokens);
    request.sampling.temperature = 0.6;
    request.max_tokens = max_tokens;
    request.top_log_probs = 0;
    return request;
  }
  static GenerateRequest bystander() { return request("somebody else ", 120, bystander_tokens_); }
  static std::vector<Answer> alone(const GenerateRequest& request) {
    return run_one(*predictable_v3().engine(options()), request).answers;
  }
  static void expect_balanced(const Engine& engine) {
    EXPECT_EQ(engine.num_free_pages() + engine.num_cached_pages(), engine.num_pages());
  }

  /// Cancels the victim after `steps` steps beside a bystander. False: it had ended by itself.
  static bool cancel_after(i64 steps, const EngineOptions& options, const GenerateRequest& victim,
                           const std::vector<Answer>& want, const std::vector<Answer>& beside) {
    const auto engine = predictable_v3().engine(options);
    const auto other = value_or_throw(engine->submit(bystander())).stream;
    engine->step();
    const auto cancelled = value_or_throw(engine->submit(victim)).stream;
    std::vector<Answer> others(1), got(want.size());
    for (i64 i = 0; i < steps; ++i) {
      engine->step();
      collect(*cancelled, got);
      collect(*other, others);
    }
    const bool ended = cancelled->done();
    cancelled->cancel();
    engine->step();
    collect(*cancelled, got);
    EXPECT_TRUE(cancelled->done()) << "a step later it still runs";
    for (size_t choice = 0; choice < got.size(); ++choice) {
      const auto& ids = got[choice].ids;
      EXPECT_TRUE(got[choice].reason.has_value());
      EXPECT_LE(ids.size(), want[choice].ids.size());
      EXPECT_TRUE(std::equal(ids.begin(), ids.end(), want[choice].ids.begin()));
    }
    while (engine->step()) collect(*other, others);
    collect(*other, others);
    EXPECT_EQ(others, beside) << "the other's text";
    expect_balanced(*engine);
    preemptions_ += engine->counters().preemptions;
    // The engine is as good as new, and what was computed is kept.
    const Outcome again = run_one(*engine, victim);
    EXPECT_EQ(again.answers, want);
    expect_balanced(*engine);
    return !ended;
  }
  static i64 sweep(const EngineOptions& options, const GenerateRequest& victim, i64 stride = 1) {
    const auto want = alone(victim), beside = alone(bystander());
    i64 steps = 0;
    while (cancel_after(steps, options, victim, want, beside)) {
      steps += stride;
      if (HasFailure() || steps > 400) break;
    }
    return steps;
  }
  testing::ScopedThreads one_thread_{1};
  static inline u64 preemptions_ = 0;  // of sweeps
  static inline i64 bystander_tokens_ = 130;
};

TEST_F(CancelTest, AtEveryStepOfAPromptAndItsAnswer) {
  EXPECT_GT(sweep(options(), request("a long prompt ", 300, 25)), 12);
}

TEST_F(CancelTest, AtEveryStepOfSeveralChoices) {
  GenerateRequest victim = request("three answers ", 150, 12);
  victim.num_choices = 3;
  EXPECT_GT(sweep(options(), victim), 6);
}

TEST_F(CancelTest, AtEveryStepInTheQueue) {
  EngineOptions one_row = options();
  one_row.limits.max_running = 1;
  GenerateRequest victim = request("waits ", 30, 6);
  EXPECT_GT(sweep(one_row, victim, /*stride=*/3), 8);
}

TEST_F(CancelTest, AtEveryStepUnderAMaskAndInAThought) {
  GenerateRequest victim = request("masked ", 10, 30);
  victim.thinking = {.end_id = 50, .max_tokens = 9};
  victim.make_mask = [] { return std::make_unique<HashMask>(7, 1000); };
  EXPECT_GT(sweep(options(), victim), 6);
}

TEST_F(CancelTest, AtEveryStepOfOneThatIsPreempted) {
  EngineOptions scarce = options();
  scarce.context_tokens = scarce.cache_tokens = 384;  // four pages, of which each needs three
  preemptions_ = 0;
  bystander_tokens_ = 200;
  EXPECT_GT(sweep(scarce, request("no room ", 240, 100), /*stride=*/2), 10);
  bystander_tokens_ = 130;
  EXPECT_GT(preemptions_, 2u);
}

// One request leaves the queue again and again beside a running one: check 81.
TEST_F(CancelTest, AHundredQueuedRequestsBesideARunningOne) {
  EngineOptions one_row = options();
  one_row.limits.max_running = 1;
  const auto engine = predictable_v3().engine(one_row);
  GenerateRequest asked = bystander();
  asked.max_tokens = 300;
  asked.draft = false;
  const auto want = alone(asked);
  const auto running = value_or_throw(engine->submit(asked)).stream;
  std::vector<Answer> answers(1);
  for (int i = 0; i < 100; ++i) {
    const auto queued = value_or_throw(engine->submit(request("queued", 9, 9))).stream;
    if (i % 3 > 0) engine->step();
    queued->cancel();
    engine->step();
    std::vector<Answer> none(1);
    collect(*queued, none);
    EXPECT_TRUE(queued->done());
    EXPECT_TRUE(none[0].ids.empty());
    EXPECT_EQ(none[0].reason, FinishReason::kInterrupted);
    collect(*running, answers);
  }
  while (engine->step()) collect(*running, answers);
  collect(*running, answers);
  EXPECT_EQ(answers, want);
  expect_balanced(*engine);
}

TEST_F(CancelTest, AStormOfCancelledRequestsWithDraftsLeavesNothingBehind) {
  const auto engine = predictable_v3().engine(options());
  std::vector<std::shared_ptr<Stream>> streams;
  for (int round = 0; round < 200; ++round) {
    GenerateRequest asked = request("storm " + std::to_string(round % 7), 10 + round % 200, 40);
    asked.num_choices = 1 + round % 3;
    if (const auto stream = value_or_throw(engine->submit(asked)).stream) streams.push_back(stream);
    engine->step();
    if (round % 2 == 0) streams[static_cast<size_t>(round * 31) % streams.size()]->cancel();
  }
  for (const auto& stream : streams) stream->cancel();
  engine->step();
  EXPECT_FALSE(engine->step());
  expect_balanced(*engine);
  for (const auto& stream : streams) {
    std::vector<Answer> answers(3);
    collect(*stream, answers);
    EXPECT_TRUE(stream->done());
  }
  EXPECT_EQ(run_one(*engine, bystander()).answers, alone(bystander()));
}

class SlowReaderTest : public CancelTest {
 protected:
  static constexpr i64 kUnread = 8192;
  static EngineOptions options(double max_blocked_s) {
    EngineOptions options = CancelTest::options();
    options.max_unread_bytes = kUnread;
    options.limits.max_blocked_s = max_blocked_s;
    return options;
  }
  static GenerateRequest slow(i64 choices) {
    GenerateRequest asked = request("nobody reads ", 30, 400);
    asked.num_choices = choices;
    return asked;
  }
};

// Check 82.
TEST_F(SlowReaderTest, IsNotScheduledThenCancelledAndOthersDoNotNotice) {
  for (const i64 choices : {1, 3}) {
    const auto engine = predictable_v3().engine(options(/*max_blocked_s=*/0.05));
    const auto stopped = value_or_throw(engine->submit(slow(choices))).stream;
    const Outcome other = run_one(*engine, bystander());
    EXPECT_EQ(other.answers, alone(bystander()));
    // What a step may add: a token and three drafts of each choice.
    EXPECT_LE(stopped->unread_bytes(), kUnread + choices * 4 * (i64{sizeof(Event)} + 16));
    EXPECT_GT(stopped->unread_bytes(), kUnread);
    const u64 before = engine->counters().generated_tokens;
    engine->step();
    EXPECT_EQ(engine->counters().generated_tokens, before);
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    engine->step();
    std::vector<Answer> answers(static_cast<size_t>(choices));
    collect(*stopped, answers);
    EXPECT_TRUE(stopped->done());
    for (const Answer& answer : answers) EXPECT_EQ(answer.reason, FinishReason::kInterrupted);
    expect_balanced(*engine);
  }
}

TEST_F(SlowReaderTest, ThatReadsAgainGetsAllOfIt) {
  const auto engine = predictable_v3().engine(options(/*max_blocked_s=*/1000));
  const auto stream = value_or_throw(engine->submit(slow(2))).stream;
  std::vector<Answer> answers(2);
  for (int read = 0; !stream->done(); ++read) {
    ASSERT_LT(read, 200);
    while (engine->step()) {
    }
    collect(*stream, answers);
  }
  EXPECT_EQ(answers, alone(slow(2)));
  expect_balanced(*engine);
}

TEST_F(CancelTest, AnEngineThatGoesEndsAllItsStreams) {
  EngineOptions two_rows = options();
  two_rows.limits.max_running = 2;
  std::vector<std::shared_ptr<Stream>> streams;
  {
    const auto engine = predictable_v3().engine(two_rows);
    streams.push_back(value_or_throw(engine->submit(bystander())).stream);
    for (int i = 0; i < 12; ++i) engine->step();
    streams.push_back(value_or_throw(engine->submit(request("its prompt ", 500, 9))).stream);
    for (int i = 0; i < 4; ++i) engine->step();
    GenerateRequest queued = request("the queue ", 50, 9);
    queued.num_choices = 2;
    streams.push_back(value_or_throw(engine->submit(queued)).stream);
  }
  for (const auto& stream : streams) {
    std::vector<Answer> answers(2);
    collect(*stream, answers);
    EXPECT_TRUE(stream->done());
    EXPECT_EQ(answers[0].reason, FinishReason::kInterrupted);
  }
}

TEST_F(CancelTest, TheWallClockEndsAnAnswerWhereItIs) {
  EngineOptions brief = options();
  brief.limits.wall_clock_s = 0.1;
  const auto engine = predictable_v3().engine(brief);
  const auto running = value_or_throw(engine->submit(bystander())).stream;
  GenerateRequest waiting = request("has to wait", 20, 20);
  std::vector<Answer> answers(1), none(1);
  engine->step();
  collect(*running, answers);
  std::this_thread::sleep_for(std::chrono::milliseconds(110));
  const auto fresh = value_or_throw(engine->submit(waiting)).stream;
  engine->step();
  collect(*running, answers);
  EXPECT_TRUE(running->done());
  EXPECT_EQ(answers[0].reason, FinishReason::kLength);
  EXPECT_FALSE(fresh->done()) << "its own time has just begun";
  fresh->cancel();
  engine->step();
  expect_balanced(*engine);
}

/// Allows everything, and after some tokens nothing.
class DeadEnd : public TokenMask {
 public:
  explicit DeadEnd(i64 at) : at_(at) {}
  std::span<const u32> allowed() override {
    words_.assign((kVocabSize + 31) / 32, taken_ < at_ ? ~u32{0} : 0);
    return words_;
  }
  void accept(i32) override { ++taken_; }
  void roll_back(i64 count) override { taken_ -= count; }
  bool complete() const override { return false; }

 private:
  i64 at_, taken_ = 0;
  std::vector<u32> words_;
};

TEST_F(CancelTest, AMaskThatAllowsNothingIsAnErrorOfItsRequestAlone) {
  const auto beside = alone(bystander());
  for (i64 at = 0; at < 9; ++at) {
    const auto engine = predictable_v3().engine(options());
    const auto other = value_or_throw(engine->submit(bystander())).stream;
    GenerateRequest asked = request("dead end ", 30, 40);
    asked.sampling.temperature = 0;
    asked.make_mask = [at] { return std::make_unique<DeadEnd>(at); };
    const auto stream = value_or_throw(engine->submit(asked)).stream;
    std::vector<Answer> answers(1), others(1);
    while (engine->step()) collect(*other, others);
    collect(*other, others);
    collect(*stream, answers);
    EXPECT_EQ(answers[0].reason, FinishReason::kError);
    EXPECT_EQ(std::ssize(answers[0].ids), at);
    EXPECT_NE(stream->error().find("nothing is allowed"), std::string::npos) << stream->error();
    EXPECT_EQ(others, beside);
    expect_balanced(*engine);
  }
}

TEST_F(SlowReaderTest, CanBeCancelledWhileItIsBlocked) {
  const auto engine = predictable_v3().engine(options(/*max_blocked_s=*/1000));
  const auto stream = value_or_throw(engine->submit(slow(2))).stream;
  while (engine->step()) {
  }
  stream->cancel();
  engine->step();
  std::vector<Answer> answers(2);
  collect(*stream, answers);
  EXPECT_TRUE(stream->done());
  expect_balanced(*engine);
}

}  // namespace
}  // namespace fathom::engine
