// Clients on threads of their own beside the engine's: what a server does.
#include <thread>

#include "engine/engine_thread.h"
#include "engine/test_engine.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

GenerateRequest small_request(i64 number) {
  GenerateRequest request;
  for (i64 i = 0; i < 5 + number % 90; ++i) {
    request.prompt_ids.push_back(static_cast<i32>((number % 4 * 31 + i * 7) % 276));
  }
  request.max_tokens = 3 + number % 20;
  request.sampling.temperature = number % 2 == 0 ? 0.0 : 0.9;
  request.sampling.seed = static_cast<u64>(number);
  request.num_choices = number % 5 == 0 ? 2 : 1;
  request.tenant = std::to_string(number % 3);
  if (number % 3 == 0) {
    request.make_mask = [number] { return std::make_unique<HashMask>(number, 30); };
  }
  return request;
}

// Each client submits one request after the other, cancels some in the middle, and looks at the
// counters; what it gets is what it gets alone.
TEST(EngineThreads, ClientsOnManyThreads) {
  const testing::ScopedThreads one(1);
  constexpr i64 kRequests = 12, kClients = 4;
  TestModel model(tiny_v3(/*mtp=*/1), 0.06);
  std::vector<std::vector<Answer>> alone;
  for (i64 number = 0; number < kRequests; ++number) {
    const auto engine = model.engine({.context_tokens = 256, .draft_tokens = 0});
    alone.push_back(run_alone(*engine, small_request(number)));
  }
  const auto engine = model.engine(
      {.context_tokens = 256, .cache_tokens = 1024, .draft_tokens = 2, .adaptive_drafts = false});
  {
    const EngineThread thread(*engine);
    std::vector<std::thread> clients;
    std::atomic<i64> ended = 0;
    for (i64 client = 0; client < kClients; ++client) {
      clients.emplace_back([&, client] {
        for (i64 round = 0; round < 30; ++round) {
          const i64 number = (client * 7 + round * 5) % kRequests;
          const auto submission = value_or_throw(engine->submit(small_request(number)));
          ASSERT_NE(submission.stream, nullptr);
          std::vector<Answer> answers(alone[static_cast<size_t>(number)].size());
          const bool cancels = (client + round) % 4 == 0;
          Events news;
          while (!submission.stream->done()) {
            if (!submission.stream->read(news, 1.0)) continue;
            take(news, answers);
            if (cancels) submission.stream->cancel();
          }
          EXPECT_GE(engine->num_free_pages(), 0);
          EXPECT_LE(engine->counters().drafts.accepted_tokens,
                    engine->counters().drafts.draft_tokens);
          if (!cancels) {
            EXPECT_EQ(answers, alone[static_cast<size_t>(number)]) << number;
          }
          ++ended;
        }
      });
    }
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(ended, kClients * 30);
  }
  EXPECT_EQ(engine->num_free_pages() + engine->num_cached_pages(), engine->num_pages());
}

// What runs when the engine goes away ends as interrupted, and readers wake.
TEST(EngineThreads, TheEndOfTheEngineEndsItsStreams) {
  const testing::ScopedThreads one(1);
  TestModel model(tiny_v3(/*mtp=*/0));
  auto engine = model.engine({.context_tokens = 1024});
  GenerateRequest request;
  request.prompt_ids = {1, 2, 3};
  request.max_tokens = 1000;
  const auto stream = value_or_throw(engine->submit(request)).stream;
  auto thread = std::make_unique<EngineThread>(*engine);
  std::vector<Answer> answers(1);
  std::thread reader([&] {
    Events news;
    while (!stream->done()) {
      if (stream->read(news, 5.0)) take(news, answers);
    }
  });
  while (engine->counters().generated_tokens < 5) std::this_thread::yield();
  thread.reset();
  engine.reset();
  reader.join();
  EXPECT_EQ(answers[0].reason, FinishReason::kInterrupted);
}

}  // namespace
}  // namespace fathom::engine
