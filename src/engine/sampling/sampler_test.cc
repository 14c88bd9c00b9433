#include "engine/sampling/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>

#include "testing/special_values.h"

namespace fathom::engine {
namespace {

using testing::kNan;

i32 sample_once(Sampler& sampler, std::vector<float> logits) {
  return sampler.sample({logits.data(), {static_cast<i64>(logits.size())}});
}

/// Frequencies over many independent draws (fresh sampler, another seed each).
std::map<i32, double> frequencies(SamplingParams params, const std::vector<float>& logits,
                                  int draws = 20000) {
  std::map<i32, double> result;
  for (int i = 0; i < draws; ++i) {
    params.seed = static_cast<u64>(i);
    Sampler sampler(params, std::ssize(logits), std::ssize(logits));
    result[sample_once(sampler, logits)] += 1.0 / draws;
  }
  return result;
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestOfEquals) {
  Sampler sampler({.temperature = 0.0}, 4, 4);
  EXPECT_EQ(sample_once(sampler, {1.0f, 3.0f, 3.0f, 2.0f}), 1);
}

TEST(Sampler, UnusedRowsAreNeverSampled) {
  Sampler greedy({.temperature = 0.0}, 3, 2);
  EXPECT_EQ(sample_once(greedy, {1.0f, 2.0f, 100.0f}), 1);
  for (u64 seed = 0; seed < 500; ++seed) {
    Sampler sampler({.temperature = 100.0, .seed = seed}, 3, 2);
    EXPECT_NE(sample_once(sampler, {1.0f, 2.0f, 100.0f}), 2);
  }
}

TEST(Sampler, DrawsFromTheSoftmaxAtATemperature) {
  const std::vector<float> logits = {0.0f, 1.0f, 2.0f};
  const auto seen = frequencies({.temperature = 2.0}, logits);
  double total = 0;
  for (const float l : logits) total += std::exp(l / 2.0);
  for (i32 id = 0; id < 3; ++id) {
    EXPECT_NEAR(seen.at(id), std::exp(logits[static_cast<size_t>(id)] / 2.0) / total, 0.015) << id;
  }
}

TEST(Sampler, TopKTopPAndMinPKeepTheRightSets) {
  // probabilities 0.5, 0.3, 0.15, 0.05 in scrambled order
  const std::vector<float> logits = {std::log(0.15f), std::log(0.5f), std::log(0.05f),
                                     std::log(0.3f)};
  auto seen = frequencies({.top_k = 2}, logits, 4000);
  EXPECT_EQ(seen.size(), 2u);
  EXPECT_NEAR(seen.at(1), 0.625, 0.03);
  seen = frequencies({.top_p = 0.79}, logits, 4000);
  EXPECT_EQ(seen.size(), 2u);
  seen = frequencies({.top_p = 0.81}, logits, 4000);
  EXPECT_EQ(seen.size(), 3u);
  seen = frequencies({.min_p = 0.25}, logits, 4000);  // threshold 0.125
  EXPECT_EQ(seen.size(), 3u);
  seen = frequencies({.top_p = 1e-9}, logits, 100);  // never empty
  EXPECT_EQ(seen.size(), 1u);
}

/// A vocabulary of several blocks, in which every block has likely and unlikely ids.
std::vector<float> many_logits() {
  std::vector<float> logits;
  for (int id = 0; id < 1500; ++id) {
    logits.push_back(static_cast<float>(id * 7919 % 1500) / 400 + (id % 5 == 0 ? 1.0f : 0.0f));
  }
  return logits;
}

TEST(Sampler, DrawsFromAllBlocksOfALargeVocabulary) {
  const std::vector<float> logits = many_logits();
  const auto seen = frequencies({.temperature = 1.5}, logits, 40000);
  double total = 0;
  for (const float l : logits) total += std::exp(l / 1.5);
  for (size_t begin = 0; begin < logits.size(); begin += 100) {
    double got = 0, want = 0;
    for (size_t id = begin; id < begin + 100; ++id) {
      const auto found = seen.find(static_cast<i32>(id));
      got += found == seen.end() ? 0 : found->second;
      want += std::exp(logits[id] / 1.5) / total;
    }
    EXPECT_NEAR(got, want, 0.006) << "ids from " << begin;
  }
}

TEST(Sampler, TopKAndTopPOfALargeVocabularyAreThoseOfTheWholeOrder) {
  const std::vector<float> logits = many_logits();
  std::vector<i32> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::sort(order, [&](i32 a, i32 b) {
    const float x = logits[static_cast<size_t>(a)], y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  double total = 0, mass = 0;
  for (const float l : logits) total += std::exp(static_cast<double>(l));
  size_t nucleus = 0;
  while (mass < 0.1 * total) {
    mass += std::exp(static_cast<double>(logits[static_cast<size_t>(order[nucleus++])]));
  }
  for (const auto& [params, count] : {std::pair{SamplingParams{.top_k = 4}, size_t{4}},
                                      {SamplingParams{.top_k = 40}, size_t{40}},
                                      {SamplingParams{.top_p = 0.1}, nucleus}}) {
    const auto seen = frequencies(params, logits, 6000);
    const std::set<i32> kept(order.begin(), order.begin() + static_cast<i64>(count));
    EXPECT_EQ(seen.size(), count);
    for (const auto& [id, frequency] : seen) EXPECT_TRUE(kept.contains(id)) << id;
  }
}

TEST(Sampler, TopPReachesFarIntoAFlatDistribution) {
  const std::vector<float> flat(400, 0.0f);
  const auto seen = frequencies({.top_p = 0.5}, flat, 4000);
  EXPECT_EQ(seen.size(), 200u);
  EXPECT_EQ(seen.rbegin()->first, 199);  // equals: the lower ids are kept
}

TEST(Sampler, PenaltiesFollowTheirDefinitions) {
  Sampler repetition({.temperature = 0.0, .repetition_penalty = 2.0}, 3, 3);
  const std::array<i32, 2> prompt = {0, 1};
  repetition.observe_prompt(prompt);
  EXPECT_EQ(sample_once(repetition, {3.0f, -1.0f, 1.6f}), 2);  // 1.5, -2, 1.6

  Sampler below({.temperature = 0.0, .repetition_penalty = 2.0}, 3, 3);
  below.observe_prompt(prompt);
  EXPECT_EQ(sample_once(below, {-9.0f, -1.0f, -1.5f}), 2);  // -18, -2, -1.5

  Sampler presence({.temperature = 0.0, .presence_penalty = 1.0}, 2, 2);
  presence.observe_prompt(prompt);  // the prompt does not count
  EXPECT_EQ(sample_once(presence, {2.0f, 1.5f}), 0);
  EXPECT_EQ(sample_once(presence, {2.0f, 1.5f}), 1);  // 1.0 vs 1.5

  Sampler frequency({.temperature = 0.0, .frequency_penalty = 0.4}, 2, 2);
  EXPECT_EQ(sample_once(frequency, {2.0f, 1.0f}), 0);
  EXPECT_EQ(sample_once(frequency, {2.0f, 1.0f}), 0);  // 1.6
  EXPECT_EQ(sample_once(frequency, {2.0f, 1.0f}), 0);  // 1.2
  EXPECT_EQ(sample_once(frequency, {2.0f, 1.0f}), 1);  // 0.8
}

TEST(Sampler, ASeedRepeatsAndStepsDiffer) {
  const std::vector<float> flat(64, 0.0f);
  std::vector<i32> first, second;
  for (std::vector<i32>* out : {&first, &second}) {
    Sampler sampler({.seed = 42}, 64, 64);
    for (int i = 0; i < 32; ++i) out->push_back(sample_once(sampler, flat));
  }
  EXPECT_EQ(first, second);
  EXPECT_GT(std::set<i32>(first.begin(), first.end()).size(), 1u);
}

TEST(Sampler, NanLogitsAreSkippedAndAllNanIsAnError) {
  Sampler sampler({.temperature = 1.0}, 3, 3);
  EXPECT_EQ(sample_once(sampler, {kNan, 1.0f, kNan}), 1);
  EXPECT_THROW(sample_once(sampler, {kNan, kNan, kNan}), Error);
}

TEST(Sampler, TheOnlyTokenThatMayComeComesWhateverTheRest) {
  const std::array<u32, 1> words = {1u};
  const std::span<const u32> mask = words;  // of token 0
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler({.temperature = temperature, .logit_bias = {{2, -100.0}}}, 4, 4);
    std::vector<float> logits = {9.0f, 8.0f, -50.0f, kNan};
    EXPECT_EQ(sampler.sample({logits.data(), {4}}, {.only = 2, .mask = &mask}), 2);
  }
}

TEST(Sampler, ADenormalTemperatureIsGreedy) {
  for (const double min_p : {0.0, 0.1}) {
    Sampler sampler({.temperature = 1e-310, .min_p = min_p}, 4, 4);
    EXPECT_EQ(sample_once(sampler, {1.0f, 3.0f, 2.0f, -1.0f}), 1);
  }
}

TEST(Sampler, APenaltyNearZeroMakesNoInfinity) {
  const std::array<i32, 2> prompt = {0, 1};
  for (const double temperature : {0.0, 1.0}) {
    for (const double penalty : {5e-324, 1e-300, 1e-40}) {
      Sampler sampler({.temperature = temperature, .repetition_penalty = penalty}, 3, 3);
      sampler.observe_prompt(prompt);
      EXPECT_EQ(sample_once(sampler, {3.0f, -1.0f, 1.6f}), 0);  // 3 by a tiny number is the largest
    }
  }
  Sampler broken({.temperature = 0.0, .repetition_penalty = 0.5}, 2, 2);
  broken.observe_prompt(prompt);
  const float infinity = testing::kInf;
  EXPECT_THROW(sample_once(broken, {infinity, -infinity}),
               Error);  // weights that are broken stay so
}

TEST(Sampler, ValidateListsEveryProblem) {
  const auto result = validate({.temperature = -1.0, .top_p = 0.0, .min_p = 2.0});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().message(),
            "temperature is -1, expected >= 0; top_p is 0, expected in (0, 1]; min_p is 2, "
            "expected in [0, 1]");
  EXPECT_TRUE(validate({}));
  EXPECT_FALSE(validate({.temperature = static_cast<double>(kNan)}));
}

}  // namespace
}  // namespace fathom::engine
