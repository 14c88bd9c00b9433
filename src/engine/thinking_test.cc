// Answers that begin inside a thought: its budget, and what waits for its end; with drafts, whose
// runs may hold that end.
#include <gmock/gmock.h>

#include <algorithm>

#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

using ::testing::HasSubstr;

TEST(Thought, EndsWithItsTokenAndMustEndWhenItsBudgetIsUsedUp) {
  Thought none(std::nullopt);
  EXPECT_FALSE(none.open());
  none.accept(7);
  EXPECT_EQ(none.tokens(), 0);
  EXPECT_FALSE(none.forced_id());

  Thought thought(ThinkingParams{.end_id = 7, .max_tokens = 2});
  for (const i32 id : {5, 6}) {
    EXPECT_FALSE(thought.forced_id());
    thought.accept(id);
  }
  EXPECT_EQ(thought.forced_id(), 7);
  thought.accept(7);
  EXPECT_FALSE(thought.open());
  EXPECT_FALSE(thought.forced_id()) << "the answer is free again";
  thought.accept(8);
  EXPECT_EQ(thought.tokens(), 3) << "the token that ends it is part of it";

  EXPECT_EQ(Thought(ThinkingParams{.end_id = 7, .max_tokens = 0}).forced_id(), 7);
}

class ThinkingTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Engine> engine(i64 drafts) {
    return predictable_v3().engine({.context_tokens = 256,
                                    .cache_tokens = 1024,
                                    .draft_tokens = drafts,
                                    .adaptive_drafts = false});
  }
  static GenerateRequest request(u64 seed, double temperature) {
    GenerateRequest request;
    request.prompt_ids = ids_of(predictable_v3(), "think " + std::to_string(seed));
    request.sampling = {.temperature = temperature, .seed = seed};
    request.max_tokens = 60;
    request.top_log_probs = 1;
    return request;
  }
  /// The same with and without drafts.
  static Answer answer_of(const GenerateRequest& request, RequestStats* stats = nullptr) {
    const auto with = engine(3), without = engine(0);
    Answer plain = run_alone(*without, request)[0];
    const Submission submission = value_or_throw(with->submit(request));
    std::vector<Answer> drafted(1);
    while (!submission.stream->done()) {
      with->step();
      collect(*submission.stream, drafted);
    }
    EXPECT_EQ(drafted[0], plain) << "seed " << request.sampling.seed;
    const RequestStats counted = submission.stream->stats();
    EXPECT_LE(counted.thinking_tokens, counted.generated_tokens);
    EXPECT_EQ(counted.generated_tokens, std::ssize(plain.ids));
    if (stats != nullptr) *stats = submission.stream->stats();
    accepted_ += with->counters().drafts.accepted_tokens;
    return plain;
  }
  /// A token that comes by itself, in the middle of what is thought.
  static i32 natural_end(const Answer& thought, size_t from = 20) { return thought.ids[from]; }

  testing::ScopedThreads one_thread_{1};
  static inline u64 accepted_ = 0;
};

TEST_F(ThinkingTest, AThoughtOfManyTokensIsEndedAtItsBudget) {
  const i32 end = ids_of(predictable_v3(), "</think>")[0];
  accepted_ = 0;
  for (const i64 budget : {0, 1, 2, 3, 4, 5, 16}) {
    for (const double temperature : {0.0, 0.7}) {
      GenerateRequest asked = request(static_cast<u64>(budget), temperature);
      asked.thinking = {.end_id = end, .max_tokens = budget};
      RequestStats stats;
      const Answer answer = answer_of(asked, &stats);
      ASSERT_EQ(answer.ids.size(), 60u) << "the answer goes on behind the thought";
      EXPECT_EQ(std::ranges::find(answer.ids, end) - answer.ids.begin(), budget);
      EXPECT_EQ(stats.thinking_tokens, budget + 1);
      EXPECT_EQ(stats.generated_tokens, 60);
      const double forced = answer.log_probs[static_cast<size_t>(budget)];
      EXPECT_TRUE(std::isfinite(forced) && forced < -1) << "the raw one: " << forced;
    }
  }
  EXPECT_GT(accepted_, 0u);
}

TEST_F(ThinkingTest, AThoughtThatTakesAllTokensHasNoAnswerBehindIt) {
  GenerateRequest asked = request(1, 0.7);
  asked.thinking = {.end_id = ids_of(predictable_v3(), "</think>")[0], .max_tokens = 100};
  RequestStats stats;
  const Answer answer = answer_of(asked, &stats);
  EXPECT_EQ(answer.reason, FinishReason::kLength);
  EXPECT_EQ(stats.thinking_tokens, 60);
  EXPECT_EQ(stats.generated_tokens, 60);
}

/// The mask of an answer: never these. Complains about what it forbids.
class WithoutMask : public TokenMask {
 public:
  WithoutMask(std::vector<i32> forbidden, i64 length, std::vector<i32>* accepted)
      : forbidden_(std::move(forbidden)), length_(length), log_(accepted) {
    words_.assign((kVocabSize + 31) / 32, ~u32{0});
    for (const i32 id : forbidden_) words_[static_cast<size_t>(id) / 32] &= ~(1u << (id % 32));
  }
  ~WithoutMask() override { *log_ = accepted_; }
  std::span<const u32> allowed() override {
    EXPECT_FALSE(complete()) << "asked for what may follow the end";
    return words_;
  }
  void accept(i32 id) override {
    EXPECT_TRUE(allows(words_, id)) << id;
    accepted_.push_back(id);
  }
  void roll_back(i64 count) override {
    ASSERT_LE(count, std::ssize(accepted_));
    accepted_.resize(accepted_.size() - static_cast<size_t>(count));
  }
  bool complete() const override { return std::ssize(accepted_) >= length_; }

 private:
  std::vector<i32> forbidden_;
  i64 length_;
  std::vector<u32> words_;
  std::vector<i32> accepted_;
  std::vector<i32>* log_;
};

TEST_F(ThinkingTest, AMaskBeginsBehindTheThoughtAlsoInsideARunOfDrafts) {
  accepted_ = 0;
  for (u64 seed = 0; seed < 12; ++seed) {
    GenerateRequest asked = request(seed, seed % 2 == 0 ? 0.0 : 0.5);
    const Answer free = answer_of(asked);
    const i32 end = natural_end(free);
    const auto first = std::ranges::find(free.ids, end) - free.ids.begin();
    // What was thought, and what followed: the mask lets neither come.
    std::vector<i32> forbidden(free.ids.begin(), free.ids.begin() + std::max<i64>(first, 1));
    forbidden.push_back(free.ids[static_cast<size_t>(first) + 1]);
    std::vector<i32> masked;
    asked.thinking = {.end_id = end};
    asked.make_mask = [&] { return std::make_unique<WithoutMask>(forbidden, 15, &masked); };
    const Answer answer = answer_of(asked);
    EXPECT_EQ(answer.reason, FinishReason::kStop);
    ASSERT_EQ(std::ssize(answer.ids), first + 1 + 15);
    EXPECT_TRUE(std::equal(free.ids.begin(), free.ids.begin() + first + 1, answer.ids.begin()));
    EXPECT_EQ(masked, std::vector<i32>(answer.ids.begin() + first + 1, answer.ids.end()));
    for (const i32 id : masked) EXPECT_EQ(std::ranges::count(forbidden, id), 0) << id;
  }
  EXPECT_GT(accepted_, 0u);
}

TEST_F(ThinkingTest, AMaskThatIsCompleteFromTheStartEndsTheAnswer) {
  std::vector<i32> masked;
  GenerateRequest asked = request(2, 0.0);
  asked.make_mask = [&] { return std::make_unique<WithoutMask>(std::vector<i32>{}, 0, &masked); };
  EXPECT_TRUE(answer_of(asked).ids.empty());
  asked.thinking = {.end_id = ids_of(predictable_v3(), "</think>")[0], .max_tokens = 7};
  const Answer thought = answer_of(asked);
  EXPECT_EQ(thought.ids.size(), 8u) << "the thought, and nothing behind it";
  EXPECT_EQ(thought.reason, FinishReason::kStop);
}

TEST_F(ThinkingTest, WithAMaskNoStopTokenEndsTheAnswerInsideTheThought) {
  GenerateRequest asked = request(3, 0.0);
  const Answer free = answer_of(asked);
  asked.stop_token_ids = {free.ids[5]};
  asked.thinking = {.end_id = ids_of(predictable_v3(), "</think>")[0], .max_tokens = 30};
  EXPECT_LE(answer_of(asked).ids.size(), 5u) << "without a mask it does";
  std::vector<i32> masked;
  asked.make_mask = [&] { return std::make_unique<WithoutMask>(std::vector<i32>{}, 4, &masked); };
  const Answer answer = answer_of(asked);
  EXPECT_GE(answer.ids.size(), 31u);
  EXPECT_EQ(std::count(answer.ids.begin(), answer.ids.begin() + 31, free.ids[5]), 0);
}

TEST_F(ThinkingTest, StopTextsAreLookedForBehindTheThought) {
  for (u64 seed = 0; seed < 8; ++seed) {
    GenerateRequest asked = request(seed, 0.0);
    asked.thinking = {.end_id = ids_of(predictable_v3(), "</think>")[0], .max_tokens = 20};
    const Answer whole = answer_of(asked);
    const size_t content = whole.text.find("</think>") + 8;
    ASSERT_EQ(content, 28u) << whole.text;
    // Texts of one and two characters that the thought holds too, and one across its end.
    for (const std::string& stop :
         {whole.text.substr(33, 1), whole.text.substr(40, 2), whole.text.substr(27, 2)}) {
      asked.stop = {stop};
      const size_t at = whole.text.find(stop, content);
      EXPECT_EQ(answer_of(asked).text, whole.text.substr(0, at)) << "stop " << stop;
    }
  }
}

TEST_F(ThinkingTest, WrongParametersAreRefused) {
  const auto one = engine(0);
  const auto message = [&](const ThinkingParams& thinking, std::vector<i32> stops = {}) {
    GenerateRequest asked = request(1, 0.0);
    asked.thinking = thinking;
    asked.stop_token_ids = std::move(stops);
    const auto result = one->submit(asked);
    return result ? std::string("accepted") : result.error().message();
  };
  EXPECT_THAT(message({}), HasSubstr("thinking.end_id is -1, expected 0 to 275"));
  EXPECT_THAT(message({.end_id = 276}), HasSubstr("thinking.end_id is 276"));
  EXPECT_THAT(message({.end_id = 5, .max_tokens = -1}), HasSubstr("thinking.max_tokens is -1"));
  EXPECT_THAT(message({.end_id = 5}, {4, 5}), HasSubstr("also one of stop_token_ids"));
}

}  // namespace
}  // namespace fathom::engine
