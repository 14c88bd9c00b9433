// A decode step asks the system for no memory, whatever it does.
#include "engine/test_engine.h"
#include "testing/count_allocations.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

class EngineAllocation : public testing::CountsAllocations {};

// Drafts, masks, penalties, log-probabilities and sampling; pages fill and are published.
TEST_F(EngineAllocation, SteadyStepsAllocateNothing) {
  const testing::ScopedThreads one(1);
  TestModel model(tiny_v3(/*mtp=*/1), 0.06);
  EngineOptions options{.context_tokens = 1024, .cache_tokens = 8192};
  options.draft_tokens = 2;
  options.adaptive_drafts = false;
  const auto engine = model.engine(options);
  std::vector<std::shared_ptr<Stream>> streams;
  for (i64 i = 0; i < 6; ++i) {
    GenerateRequest request;
    request.prompt_ids = {static_cast<i32>(i), 5, 9};
    request.max_tokens = 1000;
    request.top_log_probs = 3;
    if (i % 2 == 0) request.sampling.temperature = 0.0;
    if (i % 3 == 0) {
      request.sampling.presence_penalty = 0.5;
      request.make_mask = [i] { return std::make_unique<HashMask>(static_cast<u64>(i), 2000); };
    }
    streams.push_back(value_or_throw(engine->submit(request)).stream);
  }
  Events news;
  const auto step = [&] {
    ASSERT_TRUE(engine->step());
    for (const auto& stream : streams) stream->try_read(news);
  };
  for (int i = 0; i < 160; ++i) step();  // buffers get as large as they get
  const i64 before = testing::num_allocations;
  for (int i = 0; i < 100; ++i) step();
  EXPECT_EQ(testing::num_allocations - before, 0);
}

}  // namespace
}  // namespace fathom::engine
