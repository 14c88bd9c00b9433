// Preempted sequences with a disk tier: what they generated comes back from there.
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

#include "base/log.h"
#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

class SpillTest : public ::testing::TestWithParam<i64> {
 protected:
  void SetUp() override { log::set_level(log::Level::kError); }
  void TearDown() override { log::set_level(log::Level::kInfo); }

  static i64 drafts() { return GetParam(); }
  static std::vector<GenerateRequest> requests() {
    std::vector<GenerateRequest> all(4);
    for (size_t i = 0; i < all.size(); ++i) {
      GenerateRequest& each = all[i];
      each.prompt_ids =
          repeated_prompt("long answer " + std::to_string(i), 60 + 50 * static_cast<i64>(i));
      each.sampling.temperature = 0.7;
      each.sampling.seed = i;
      each.max_tokens = 400;
      each.top_log_probs = 1;
    }
    all[1].make_mask = [] { return std::make_unique<HashMask>(5, 1000); };
    all[3].sampling.frequency_penalty = 1.0;
    return all;
  }
  /// Pages for two of them.
  static std::unique_ptr<Engine> narrow(const fs::path& directory) {
    EngineOptions options{.context_tokens = 640,
                          .cache_tokens = 1100,
                          .draft_tokens = drafts(),
                          .adaptive_drafts = false};
    options.disk = {.directory = directory, .max_bytes = i64{1} << 30, .content = "tiny"};
    if (directory.empty()) options.disk = {};
    return predictable_v3().engine(options);
  }
  static std::vector<Answer> unpressed(const GenerateRequest& request) {
    return run_one(*predictable_v3().engine({.context_tokens = 640, .draft_tokens = drafts()}),
                   request)
        .answers;
  }

  /// All four beside each other, with `meddle` after every step; their answers must be those that
  /// they have alone.
  static EngineCounters run(
      Engine& engine, const std::function<void()>& meddle = [] {}) {
    const auto asked = requests();
    std::vector<std::shared_ptr<Stream>> streams;
    std::vector<std::vector<Answer>> got(asked.size(), std::vector<Answer>(1));
    for (const auto& each : asked) streams.push_back(value_or_throw(engine.submit(each)).stream);
    while (engine.step()) {
      meddle();
      for (size_t i = 0; i < streams.size(); ++i) collect(*streams[i], got[i]);
    }
    for (size_t i = 0; i < asked.size(); ++i) {
      collect(*streams[i], got[i]);
      EXPECT_EQ(got[i], unpressed(asked[i])) << "request " << i;
    }
    EXPECT_GT(engine.counters().preemptions, 0u);
    EXPECT_EQ(engine.num_free_pages() + engine.num_cached_pages(), engine.num_pages());
    return engine.counters();
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> result;
    for (const auto& entry : fs::directory_iterator(directory_.path() / "pages")) {
      if (entry.path().extension() == ".page") result.push_back(entry.path());
    }
    return result;
  }
  /// When a file is written is a matter of the disk: it may be read in the step that wrote it,
  /// before anybody meddles with it, and a page of a prompt may not be there yet. Not always.
  EngineCounters run_until(
      bool replays, const std::function<void()>& meddle = [] {}) {
    EngineCounters counters;
    for (int attempt = 0; attempt < 10; ++attempt) {
      counters = run(*narrow(directory_.path() / "pages"), meddle);
      if ((counters.replayed_tokens > 0) == replays) break;
    }
    return counters;
  }

  testing::ScopedThreads one_thread_{1};
  testing::TempDir directory_;
  std::set<fs::path> damaged_;
};
INSTANTIATE_TEST_SUITE_P(Drafts, SpillTest, ::testing::Values(0, 3));

TEST_P(SpillTest, WithoutADiskWhatWasGeneratedIsDecodedAgain) {
  const EngineCounters counters = run(*narrow({}));
  EXPECT_GT(counters.replayed_tokens, 0u);
  EXPECT_EQ(counters.restored_tokens, 0u);
}

TEST_P(SpillTest, WithADiskItComesBackFromThere) {
  const EngineCounters counters = run_until(/*replays=*/false);
  EXPECT_EQ(counters.replayed_tokens, 0u);
  EXPECT_GT(counters.restored_tokens, 0u);
  EXPECT_EQ(counters.disk.damaged, 0);
}

TEST_P(SpillTest, DamagedFilesAreComputedAgain) {
  const EngineCounters counters = run_until(/*replays=*/true, [this] {
    for (const fs::path& path : files()) {
      if (!damaged_.insert(path).second) continue;
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(-1, std::ios::end);
      const char byte = static_cast<char>(file.get() ^ 1);
      file.seekp(-1, std::ios::end);
      file.put(byte);
    }
  });
  EXPECT_GT(counters.replayed_tokens, 0u);
  EXPECT_GT(counters.disk.damaged, 0);
}

TEST_P(SpillTest, MissingFilesAreComputedAgain) {
  const EngineCounters counters = run_until(/*replays=*/true, [this] {
    for (const fs::path& file : files()) fs::remove(file);
  });
  EXPECT_GT(counters.replayed_tokens, 0u);
  EXPECT_EQ(counters.disk.damaged, 0);
}

// Whoever wants no cache leaves nothing on disk.
TEST_P(SpillTest, RequestsThatWantNoCacheAreNotSpilled) {
  const fs::path pages = directory_.path() / "pages";
  const auto engine = narrow(pages);
  auto asked = requests();
  for (GenerateRequest& each : asked) each.cache_use = CacheUse::kNone;
  const auto got = run_together(*engine, asked);
  for (size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(got[i].answers, unpressed(asked[i]));
  const EngineCounters counters = engine->counters();
  EXPECT_GT(counters.preemptions, 0u);
  EXPECT_EQ(counters.disk.pages_written + counters.disk.files, 0);
}

}  // namespace
}  // namespace fathom::engine
