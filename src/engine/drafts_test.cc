// Drafts change nothing but speed: on a model whose drafts are mostly right, so that runs of
// accepted tokens are long, and the bugs that other engines had with such runs.
#include <cmath>
#include <map>

#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

class DraftsTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Engine> engine(i64 drafts, i64 context = 256) {
    EngineOptions options{.context_tokens = context,
                          .cache_tokens = 16 * 1024,
                          .draft_tokens = drafts,
                          .adaptive_drafts = false};
    options.limits.max_waiting = 4096;
    return predictable_v3().engine(options);
  }
  static GenerateRequest request(std::string_view text, i64 max_tokens, double temperature = 0.0) {
    GenerateRequest request;
    request.prompt_ids = ids_of(predictable_v3(), text);
    request.sampling.temperature = temperature;
    request.max_tokens = max_tokens;
    request.top_log_probs = 2;
    return request;
  }
  static void expect_accepted(const Engine& engine, double share) {
    const DraftCounters counters = engine.counters().drafts;
    EXPECT_GE(static_cast<double>(counters.accepted_per_position[0]),
              share * static_cast<double>(counters.drafts))
        << counters.drafts << " drafts";
  }
  testing::ScopedThreads one_thread_{1};
};

// 200 prompts, three temperatures, penalties as strong as they get, masks: check 86.
TEST_F(DraftsTest, TextsAndLogProbabilitiesAreThoseWithoutDrafts) {
  std::vector<GenerateRequest> requests;
  for (int prompt = 0; prompt < 200; ++prompt) {
    for (const double temperature : {0.0, 0.7, 1.2}) {
      GenerateRequest each = request("prompt " + std::to_string(prompt * 7919), 14, temperature);
      each.sampling.seed = static_cast<u64>(prompt);
      if (prompt % 4 == 1) each.sampling.repetition_penalty = 1.8;
      if (prompt % 4 == 2) each.sampling.presence_penalty = 2.0;
      if (prompt % 4 == 3) each.sampling.frequency_penalty = 2.0;
      if (prompt % 5 == 1) each.sampling.top_p = 0.8;
      if (prompt % 5 == 2) each.sampling.top_k = 3;
      if (prompt % 5 == 3) each.sampling.min_p = 0.1;
      requests.push_back(std::move(each));
    }
  }
  const auto with = engine(3), without = engine(0);
  const auto got = run_together(*with, requests), want = run_together(*without, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    ASSERT_EQ(got[i].answers, want[i].answers) << "request " << i;
    ASSERT_EQ(got[i].answers[0].ids.size(), 14u);
  }
  expect_accepted(*with, 0.2);
}

// A stop before the cap wins, wherever in an accepted run the two are: check 85.
TEST_F(DraftsTest, AStopBeforeTheCapIsTheEndWhereverInARun) {
  for (const double temperature : {0.0, 0.5}) {
    const auto plain = engine(0), drafting = engine(4);
    const GenerateRequest free = request("say something", 40, temperature);
    const Answer whole = run_one(*plain, free).answers[0];
    ASSERT_EQ(whole.ids.size(), 40u);
    for (size_t at = 0; at < 24; ++at) {
      if (std::count(whole.ids.begin(), whole.ids.begin() + static_cast<i64>(at), whole.ids[at])) {
        continue;  // would stop earlier
      }
      for (size_t cap = at; cap < at + 5; ++cap) {
        GenerateRequest by_id = free, by_text = free;
        by_id.max_tokens = by_text.max_tokens = std::max<i64>(static_cast<i64>(cap), 1);
        by_id.stop_token_ids = {whole.ids[at]};
        by_text.stop = {whole.text.substr(at, 1)};
        const Outcome id = run_one(*drafting, by_id), text = run_one(*drafting, by_text);
        ASSERT_EQ(id.answers, run_one(*plain, by_id).answers) << at << " cap " << cap;
        ASSERT_EQ(text.answers, run_one(*plain, by_text).answers) << at << " cap " << cap;
        if (cap <= at) continue;
        EXPECT_EQ(id.answers[0].reason, FinishReason::kStop);
        EXPECT_EQ(text.answers[0].reason, FinishReason::kStop);
        EXPECT_EQ(text.answers[0].text, whole.text.substr(0, at));
        EXPECT_EQ(id.answers[0].ids.size(), at);
        EXPECT_EQ(text.answers[0].ids.size(), at + 1) << "the token that completed the text";
        EXPECT_EQ(id.stats.generated_tokens, static_cast<i64>(at));
        EXPECT_EQ(text.stats.generated_tokens, static_cast<i64>(at) + 1);
      }
    }
    expect_accepted(*drafting, 0.3);
  }
}

TEST_F(DraftsTest, AsManyTokensComeAsWereAskedFor) {
  const auto plain = engine(0);
  for (i64 drafts = 1; drafts <= kMaxDrafts; ++drafts) {
    const auto drafting = engine(drafts);
    for (i64 tokens = 1; tokens <= 12; ++tokens) {
      const GenerateRequest asked = request("count", tokens);
      const Outcome got = run_one(*drafting, asked);
      EXPECT_EQ(std::ssize(got.answers[0].ids), tokens);
      EXPECT_EQ(got.stats.generated_tokens, tokens);
      EXPECT_EQ(got.answers[0].reason, FinishReason::kLength);
      EXPECT_EQ(got.answers, run_one(*plain, asked).answers);
      EXPECT_LE(got.stats.accepted_tokens, std::max<i64>(tokens - 2, 0)) << "the last needs none";
    }
  }
}

TEST_F(DraftsTest, AFullContextEndsARunWhereItEndsWithout) {
  constexpr i64 kContext = 1024;  // the model's own end: no row behind it exists
  const auto plain = engine(0, kContext), drafting = engine(4, kContext);
  for (i64 left = 0; left < 7; ++left) {
    GenerateRequest asked = request("", 100);
    for (i64 i = 0; i < kContext - left; ++i) {
      asked.prompt_ids.push_back(static_cast<i32>(30 + i % 60));
    }
    const Outcome got = run_one(*drafting, asked);
    EXPECT_EQ(got.answers, run_one(*plain, asked).answers) << left << " left";
    EXPECT_EQ(std::ssize(got.answers[0].ids), left + 1);
  }
}

TEST_F(DraftsTest, NoSettingSwitchesThemOff) {
  std::vector<GenerateRequest> requests(6, request("a setting", 60, 0.7));
  requests[1].sampling.repetition_penalty = 1.2;
  requests[2].sampling.top_p = 0.9;
  requests[3].sampling.logit_bias = {{40, 3.0}};
  requests[4].make_mask = [] { return std::make_unique<HashMask>(3, 1000); };
  requests[5].num_choices = 3;
  for (const GenerateRequest& each : requests) {
    const Outcome outcome = run_one(*engine(3), each);
    EXPECT_GT(outcome.stats.draft_tokens, 20);
    EXPECT_GT(outcome.stats.accepted_tokens, 0);
  }
}

// Noise in place of drafts changes no text, so only their acceptance shows it.
TEST_F(DraftsTest, DraftsOfAModelThatCanDraftAreMostlyRight) {
  for (const i64 prompt : {5, 90, 200}) {
    const auto drafting = engine(3, 512);
    GenerateRequest asked = request(std::string(static_cast<size_t>(prompt), 'p'), 150);
    run_one(*drafting, asked);
    expect_accepted(*drafting, 0.6);
  }
}

/// p(next token) at temperature 1 and some top_p, by the definition.
std::vector<double> nucleus(std::vector<double> logits, double top_p) {
  std::vector<size_t> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, [&](size_t a, size_t b) { return logits[a] > logits[b]; });
  const double largest = logits[order[0]];
  double total = 0, mass = 0;
  for (double& logit : logits) total += logit = std::exp(logit - largest);
  std::vector<double> p(logits.size(), 0.0);
  for (const size_t id : order) {
    mass += p[id] = logits[id];
    if (mass >= top_p * total) break;
  }
  for (double& each : p) each /= mass;
  return p;
}

/// Upper tail of the chi-square distribution by Wilson and Hilferty's cube root.
double p_value(double chi_square, double degrees) {
  const double spread = 2.0 / (9.0 * degrees);
  const double z = (std::cbrt(chi_square / degrees) - (1 - spread)) / std::sqrt(spread);
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

/// p(next token) after these, by the model's logits.
std::vector<double> next_token(std::vector<i32> ids, double top_p) {
  const auto engine = predictable_v3().engine({.context_tokens = 64, .draft_tokens = 0});
  GenerateRequest scored;
  scored.prompt_ids = std::move(ids);
  scored.max_tokens = 0;
  scored.prompt_log_probs_from = std::ssize(scored.prompt_ids);
  std::vector<double> logits(276);
  scored.on_prompt_logits = [&](const float* row, i64) {
    std::copy_n(row, logits.size(), logits.begin());
  };
  scored.scored_next_id = 0;
  run_one(*engine, scored);
  return nucleus(std::move(logits), top_p);
}

using PairCounts = std::map<std::pair<i32, i32>, double>;

/// p-value of so many draws of pairs of tokens behind `before`; those that are expected less than
/// five times are counted together.
double p_value_of(const PairCounts& seen, double draws, std::vector<i32> before, double top_p) {
  const std::vector<double> first = next_token(before, top_p);
  double chi_square = 0, cells = 0, rest_seen = draws, rest_want = draws;
  before.push_back(0);
  for (i32 a = 0; a < 276; ++a) {
    if (first[static_cast<size_t>(a)] == 0) continue;
    before.back() = a;
    const std::vector<double> second = next_token(before, top_p);
    for (i32 b = 0; b < 276; ++b) {
      const double want = draws * first[static_cast<size_t>(a)] * second[static_cast<size_t>(b)];
      const auto found = seen.find({a, b});
      const double got = found == seen.end() ? 0 : found->second;
      EXPECT_TRUE(want > 0 || got == 0) << a << " " << b << " cannot come";
      if (want < 5) continue;
      rest_seen -= got;
      rest_want -= want;
      chi_square += (got - want) * (got - want) / want;
      ++cells;
    }
  }
  if (rest_want >= 5) {
    chi_square += (rest_seen - rest_want) * (rest_seen - rest_want) / rest_want;
    ++cells;
  }
  EXPECT_GT(cells, 10);
  EXPECT_LT(rest_seen, draws / 4) << "most are counted cell by cell";
  return p_value(chi_square, cells - 1);
}

// 20,000 pairs of tokens that follow two given ones, so that both come out of drafted runs, against
// what the model's logits say: check 87.
TEST_F(DraftsTest, DrawsFollowTheExactDistribution) {
  constexpr double kTopP = 0.9;
  constexpr i64 kChoices = 50, kRequests = 400;
  const std::vector<i32> forced = ids_of(predictable_v3(), "#1");
  GenerateRequest asked = request("once upon a", 4, /*temperature=*/1.0);
  asked.sampling.top_p = kTopP;
  asked.num_choices = kChoices;
  asked.top_log_probs = -1;
  asked.make_mask = [&] { return std::make_unique<BeginsWith>(forced); };
  std::vector<GenerateRequest> requests(kRequests, asked);
  for (size_t i = 0; i < requests.size(); ++i) requests[i].sampling.seed = i;
  const auto drafting = engine(3);
  PairCounts seen;
  for (const Outcome& outcome : run_together(*drafting, requests)) {
    for (const Answer& answer : outcome.answers) ++seen[{answer.ids[2], answer.ids[3]}];
  }
  expect_accepted(*drafting, 0.05);
  std::vector<i32> before = asked.prompt_ids;
  before.insert(before.end(), forced.begin(), forced.end());
  EXPECT_GT(p_value_of(seen, kChoices * kRequests, before, kTopP), 1e-4);
}

// A draft head that is never right: check 88.
TEST_F(DraftsTest, DraftsThatAreNeverRightStop) {
  TestModel model([](Ctx& ctx, const std::string& path) {
    write_predictable_checkpoint(ctx, tiny_v3(/*mtp=*/1), path, /*context_share=*/0.03f,
                                 /*drafts_right=*/false);
  });
  // From guessed costs: those that a busy machine measures may make a draft look free.
  const auto engine =
      model.engine({.context_tokens = 1024, .cost_measurement_s = 0, .draft_tokens = 3});
  GenerateRequest asked = request("never right", 512);
  const Outcome outcome = run_one(*engine, asked);
  const EngineCounters counters = engine->counters();
  EXPECT_LT(counters.drafts.accepted_tokens, counters.drafts.draft_tokens / 10 + 2);
  // A draft costs a row more of the pass, at most one pass of its own.
  EXPECT_LE(counters.drafts.draft_tokens, 512u * 5 / 100) << "of 512 tokens";
  EXPECT_GT(counters.drafts.disabled_steps[static_cast<size_t>(DraftsOff::kNoGain)], 450u);
  EXPECT_LE(counters.decode_passes, 512u);
}

}  // namespace
}  // namespace fathom::engine
