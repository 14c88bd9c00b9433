#include "serve/metrics/open_requests.h"

#include <gtest/gtest.h>

namespace fathom::serve {
namespace {

UsageRecord record(const std::string& id) {
  return {.request_id = id,
          .caller = {.key_id = "1", .key_name = "alice"},
          .facts = {.endpoint = "/chat/completions", .prompt_tokens = 7}};
}

TEST(OpenRequests, PhasesAreThoseOfTheEngine) {
  OpenRequests requests;
  const auto request = requests.open(record("a"));
  EXPECT_EQ(request->state().phase, RequestPhase::kQueue);
  const auto first = std::make_shared<engine::Stream>();
  const auto second = std::make_shared<engine::Stream>();
  request->add(first);
  request->add(second);
  EXPECT_EQ(request->state().phase, RequestPhase::kQueue);
  first->set_stats({.cached_tokens = 3, .prefilled_tokens = 4, .queue_s = 0.5});
  EXPECT_EQ(request->state().phase, RequestPhase::kPrefill);
  second->set_stats({.generated_tokens = 9, .queue_s = 0.25, .first_token_s = 0.75});
  const OpenRequestState state = request->state();
  EXPECT_EQ(state.phase, RequestPhase::kDecode);
  EXPECT_EQ(state.stats.cached_tokens, 3);
  EXPECT_EQ(state.stats.prefilled_tokens, 4);
  EXPECT_EQ(state.stats.generated_tokens, 9);
  EXPECT_DOUBLE_EQ(state.stats.queue_s, 0.5);
  EXPECT_DOUBLE_EQ(state.stats.first_token_s, 0.75);
  EXPECT_EQ(state.key_name, "alice");
  EXPECT_EQ(state.facts.prompt_tokens, 7);
}

TEST(OpenRequests, AreListedInTheirOrderUntilTheyEnd) {
  OpenRequests requests;
  const auto first = requests.open(record("same id"));
  const auto second = requests.open(record("same id"));
  EXPECT_NE(first->number(), second->number());
  ASSERT_EQ(requests.states().size(), 2);
  EXPECT_EQ(requests.states()[0].number, first->number());
  requests.close(*first);
  ASSERT_EQ(requests.states().size(), 1);
  EXPECT_EQ(requests.states()[0].number, second->number());
}

TEST(OpenRequests, EndingOneCancelsAllOfItsStreamsAndNoOther) {
  OpenRequests requests;
  const auto one = requests.open(record("one")), other = requests.open(record("other"));
  const auto early = std::make_shared<engine::Stream>(), late = std::make_shared<engine::Stream>();
  const auto others = std::make_shared<engine::Stream>();
  one->add(early);
  other->add(others);
  EXPECT_TRUE(requests.end(one->number()));
  one->add(late);  // it was being queued meanwhile
  EXPECT_TRUE(early->cancelled());
  EXPECT_TRUE(late->cancelled());
  EXPECT_FALSE(others->cancelled());
  requests.close(*one);
  EXPECT_FALSE(requests.end(one->number()));
}

}  // namespace
}  // namespace fathom::serve
