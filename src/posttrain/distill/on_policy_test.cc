// Distillation on the student's own answers: against TRL's GKDTrainer on answers that are given
// (tools/golden/make_gkd_golden.py), and whole runs.
#include "posttrain/distill/on_policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "io/json.h"
#include "io/safetensors.h"
#include "posttrain/json_lines.h"
#include "posttrain/sft/test_support.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Lt;

class OnPolicyTest : public StageRunTest {
 protected:
  /// The golden model with the weights of its last norm times -2: far from it, and cheap.
  std::string teacher() {
    const fs::path to = dir_ / "teacher";
    if (fs::exists(to)) return to.string();
    fs::copy(sft_golden(), to);
    const fs::path weights = to / "model.safetensors";
    std::string all = bytes(weights);
    const auto file = value_or_throw(io::SafetensorsFile::parse(
        {reinterpret_cast<const u8*>(all.data()), all.size()}, "weights"));
    const io::StoredTensor* const norm = file.find("model.norm.weight");
    for (i64 i = 0; i < norm->elements(); ++i) {
      char* const at = all.data() + (norm->bytes.data() - reinterpret_cast<const u8*>(all.data())) +
                       i * static_cast<i64>(sizeof(float));
      float weight = 0.0f;
      std::memcpy(&weight, at, sizeof weight);
      weight *= -2.0f;
      std::memcpy(at, &weight, sizeof weight);
    }
    std::ofstream(weights, std::ios::binary) << all;
    return to.string();
  }
  RunConfig config(const std::string& out) {
    RunConfig config = golden_run(dir_ / out);
    config.run.stage = TrainStage::kDistill;
    config.distill.teacher = teacher();
    config.distill.top_k = 65535;  // all ids
    config.distill.divergence = Divergence::kReverse;
    config.distill.on_policy = 1.0;
    config.distill.max_new_tokens = 8;
    config.data.seq_len = 32;
    config.data.train.clear();
    config.data.train["letters"].paths = {
        dir_.write("prompts.jsonl",
                   "{\"prompt\": \"a\", \"completion\": \"bb\"}\n"
                   "{\"prompt\": \"bc\", \"completion\": \"c\"}\n"
                   "{\"prompt\": \"cde\", \"completion\": \"dddd\"}\n")
            .string()};
    config.train.batch_sequences = 6;
    config.train.micro_batch_sequences = 4;
    config.train.checkpoint_every = 2;
    return config;
  }
  struct Answers {
    i64 ended = 0, cut = 0;              // by an end token, by the length
    std::map<i64, std::string> prompts;  // of a step, in order
    std::map<std::string, std::set<std::string>> by_prompt;
  };
  /// What a run's samples.jsonl holds. Answers have at most 8 tokens.
  Answers answers_of(const std::string& run) {
    Answers answers;
    std::istringstream lines(text(run + "/samples.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto sample = value_or_throw(io::parse_json(line, "samples"));
      const std::string prompt = sample.find("prompt")->as_string();
      const bool cut = sample.find("truncated")->as_bool();
      const i64 tokens = sample.find("tokens")->as_integer();
      EXPECT_LE(tokens, 8);
      if (cut) {
        EXPECT_EQ(tokens, 8);
      }
      ++(cut ? answers.cut : answers.ended);
      answers.prompts[sample.find("step")->as_integer()] += prompt + "|";
      answers.by_prompt[prompt].insert(sample.find("text")->as_string());
    }
    return answers;
  }
};

std::vector<i32> ids_under(const io::JsonValue& line, const char* key) {
  std::vector<i32> ids;
  for (const io::JsonValue& id : line.find(key)->as_array()) {
    ids.push_back(static_cast<i32>(id.as_integer()));
  }
  return ids;
}

std::vector<PolicySample> given_answers() {
  std::vector<PolicySample> samples;
  SourceConfig source;
  source.paths = {(testing::golden_directory("grpo") / "rollouts.jsonl").string()};
  for_each_json_line(source, "rollouts", [&](const io::JsonValue& line) -> Result<void> {
    PolicySample& sample = samples.emplace_back();
    sample.ids = ids_under(line, "prompt_ids");
    sample.prompt_tokens = std::ssize(sample.ids);
    const std::vector<i32> answer = ids_under(line, "completion_ids");
    sample.ids.insert(sample.ids.end(), answer.begin(), answer.end());
    return {};
  });
  return samples;
}

/// The stage with answers that are given.
class GivenAnswers : public OnPolicyDistill {
 public:
  using OnPolicyDistill::OnPolicyDistill;

 protected:
  void answer(Ctx&, std::span<PolicySample* const> samples) override {
    const std::vector<PolicySample> given = given_answers();
    ASSERT_EQ(samples.size(), given.size());
    for (size_t i = 0; i < given.size(); ++i) {
      samples[i]->ids = given[i].ids;
      samples[i]->prompt_tokens = given[i].prompt_tokens;
    }
  }
};

TEST_F(OnPolicyTest, LossesOfTenStepsAreThoseOfTrl) {
  const io::JsonValue golden =
      value_or_throw(io::read_json(testing::golden_directory("gkd") / "golden.json"));
  for (const auto& [kind, name] : kDivergenceNames) {
    RunConfig c = config(std::string(name));
    c.distill.divergence = kind;
    c.distill.beta = golden.find("jsd_beta")->as_number();
    c.schedule.peak_lr = golden.find("learning_rate")->as_number();
    c.train.batch_sequences = 8;
    OnPolicyParts parts = read_on_policy(c);
    const RunConfig resolved = parts.samples.config;
    GivenAnswers stage(std::move(parts));
    steps_.clear();
    train::train(
        ctx_, {.config = resolved, .measure_peak = false, .stage = &stage},
        {.step = [this](const report::StepMetrics& metrics) { steps_.push_back(metrics); }});
    const io::JsonArray& losses = golden.find("losses")->find(name)->as_array();
    ASSERT_EQ(losses.size(), steps_.size());
    for (size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(number(i, "divergence"), losses[i].as_number(), 1e-4) << name << " " << i;
    }
  }
}

TEST_F(OnPolicyTest, TheStudentComesNearerOnItsOwnAnswers) {
  RunConfig c = config("near");
  c.train.steps = 40;
  c.schedule.peak_lr = 1e-2;
  c.data.validation["held"].paths = {
      dir_.write("held.jsonl", "{\"prompt\": \"e\", \"completion\": \"abc\"}\n").string()};
  run(c);
  EXPECT_LT(number(39, "divergence"), 0.3 * number(0, "divergence"));
  EXPECT_LT(number(39, "held/divergence"), number(0, "held/divergence"));
  EXPECT_TRUE(std::isnan(number(20, "held/divergence")));
  EXPECT_EQ(number(3, "on_policy"), 1.0);
  EXPECT_THAT(number(3, "length/mean"), AllOf(Gt(0.0), Lt(8.1)));
  EXPECT_GT(number(3, "rollout/tokens_per_s"), 0.0);
  EXPECT_THAT(text("near/samples.jsonl"), HasSubstr("{\"step\":40,\"prompt\":\""));
  EXPECT_FALSE(fs::exists(dir_ / "near/teacher"));
  const auto texts = answers_of("near");
  EXPECT_GT(texts.ended, 0) << "an end token ends an answer";
  EXPECT_GT(texts.cut, 0);
}

// A student that is its teacher is at no distance from it, whatever it says.
TEST_F(OnPolicyTest, ATeacherIsAtNoDistanceFromItself) {
  RunConfig c = config("self");
  c.distill.teacher = sft_golden().string();
  c.distill.temperature = 2.0;  // of both
  c.train.steps = 1;
  c.data.validation["held"].paths = c.data.train["letters"].paths;
  run(c);
  EXPECT_NEAR(number(0, "divergence"), 0.0, 1e-5);
  EXPECT_NEAR(number(0, "before/held/divergence"), 0.0, 1e-5) << "beside the step's";
  EXPECT_GT(number(0, "held/divergence"), 1e-5);
  EXPECT_THAT(messages_, HasSubstr("  teacher's weights   "));
}

TEST_F(OnPolicyTest, AShareOfTheAnswersAreTheTexts) {
  RunConfig c = config("share");
  c.distill.on_policy = 0.4;
  c.train.batch_sequences = 50;
  c.train.steps = 3;
  run(c);
  double own = 0.0, most = 0.0, least = 1.0;
  for (size_t i = 0; i < 3; ++i) {
    const double share = number(i, "on_policy");
    EXPECT_THAT(share, AllOf(Gt(0.15), Lt(0.65)));
    own += 50.0 * share;
    most = std::max(most, share);
    least = std::min(least, share);
  }
  EXPECT_LT(least, most) << "who writes is drawn anew";
  const std::string lines = text("share/samples.jsonl");
  EXPECT_NEAR(static_cast<double>(std::ranges::count(lines, '\n')), own, 1e-6);
}

// The others are learnt as they stand: every answer of a conversation, as sft learns it.
TEST_F(OnPolicyTest, TextsAreLearntByAllTheirMarks) {
  SampleSet set;
  set.add(std::vector<i32>{5, 6, 7, 8, 9, 10, 11}, std::vector<u8>{1, 0, 1, 0, 1, 1, 0}, 0);
  const PolicySample talk = OnPolicyDistill::as_it_stands(set, 0);
  EXPECT_THAT(talk.ids, ::testing::ElementsAre(5, 6, 7, 8, 9, 10));
  EXPECT_EQ(talk.prompt_tokens, 2);
  EXPECT_THAT(talk.marks, ::testing::ElementsAre(1, 0, 1, 0, 1, 1));
  RunConfig c = config("texts");
  c.data.train["letters"].paths = {
      dir_.write("talk.jsonl",
                 "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, "
                 "{\"role\": \"assistant\", \"content\": \"bcd\"}, "
                 "{\"role\": \"user\", \"content\": \"c\"}, "
                 "{\"role\": \"assistant\", \"content\": \"d\"}]}\n")
          .string()};
  c.data.seq_len = 110;
  c.distill.on_policy = 1e-9;
  c.train.batch_sequences = 1;
  c.train.steps = 2;
  run(c);
  const double divergence = number(0, "divergence");
  const double tokens = number(0, "supervised_tokens");
  c.run.out = (dir_ / "stored").string();
  c.distill.on_policy = 0.0;
  run(c);
  EXPECT_EQ(tokens, number(0, "supervised_tokens"));
  EXPECT_NEAR(divergence, number(0, "divergence"), 2e-3) << "the store rounds to F16";
}

TEST_F(OnPolicyTest, GoesOnBitForBitWithTheSameAnswers) {
  RunConfig c = config("whole");
  c.distill.on_policy = 0.7;
  c.train.steps = 6;
  run(c);
  c.run.out = (dir_ / "cut").string();
  run(c, 3);
  EXPECT_EQ(run(c).resumed_step, 3);
  EXPECT_EQ(text("whole/model/model.safetensors"), text("cut/model/model.safetensors"));
  EXPECT_EQ(text("whole/samples.jsonl"), text("cut/samples.jsonl"));
  // A checkpoint that was lost sends the run back: what it wrote behind the one before goes.
  c.run.out = (dir_ / "lost").string();
  run(c, 3);
  fs::remove_all(dir_ / "lost/checkpoints/step-000003");
  EXPECT_EQ(run(c).resumed_step, 2);
  EXPECT_EQ(text("whole/samples.jsonl"), text("lost/samples.jsonl"));
}

// An epoch is a step here, and the weights all but stay.
TEST_F(OnPolicyTest, EveryEpochIsDrawnAnew) {
  RunConfig c = config("anew");
  c.schedule.peak_lr = 1e-9;
  c.train.batch_sequences = 3;
  c.train.steps = 10;
  run(c);
  const Answers answers = answers_of("anew");
  std::set<std::string> orders;
  for (const auto& [step, order] : answers.prompts) orders.insert(order);
  EXPECT_EQ(answers.prompts.size(), 10u);
  EXPECT_GT(orders.size(), 1u) << "the order of the samples";
  ASSERT_EQ(answers.by_prompt.size(), 3u);
  for (const auto& [prompt, texts] : answers.by_prompt) EXPECT_GT(texts.size(), 5u) << prompt;
  c.run.out = (dir_ / "cold").string();
  c.distill.sample_temperature = 0.05;
  run(c);
  EXPECT_NE(answers_of("cold").by_prompt, answers.by_prompt) << "the temperature counts";
  c.train.steps = 0;
  c.sft.epochs = 7;
  EXPECT_EQ(load_stage(c).config.train.steps, 7);
}

// What is learnt of a conversation is its last answer; a batch's order and cuts change nothing.
TEST_F(OnPolicyTest, PromptsEndBeforeTheLastAnswer) {
  SampleSet set;
  set.add(std::vector<i32>{5, 6, 7, 8, 9, 10, 11}, std::vector<u8>{0, 1, 0, 0, 1, 1, 0}, 0);
  set.add(std::vector<i32>{5, 6}, std::vector<u8>{1, 1}, 0);
  const PolicySample talk = OnPolicyDistill::last_answer(set, 0);
  EXPECT_THAT(talk.ids, ::testing::ElementsAre(5, 6, 7, 8, 9, 10));
  EXPECT_EQ(talk.prompt_tokens, 4);
  EXPECT_EQ(OnPolicyDistill::last_answer(set, 1).prompt_tokens, 1);
  std::vector<double> divergences;
  for (const i64 micro : {1, 6}) {
    RunConfig c = config(fmt::format("micro{}", micro));
    c.train.micro_batch_sequences = micro;
    c.sft.loss = SftLoss::kSamples;
    c.train.steps = 3;
    run(c);
    divergences.push_back(number(2, "divergence"));
  }
  EXPECT_NEAR(divergences[0], divergences[1], 1e-4);
}

TEST_F(OnPolicyTest, Refuses) {
  RunConfig c = config("bad");
  c.distill.store = (dir_ / "store").string();
  EXPECT_THAT(refusal(c), HasSubstr("distill.store: with distill.on_policy the teacher is asked"));
  c = config("bad");
  c.train.steps = 0;
  c.train.tokens = 1000;
  EXPECT_THAT(refusal(c), HasSubstr("train.tokens: answers have no length"));
  c = config("bad");
  c.distill.nll_weight = 0.1;
  EXPECT_THAT(refusal(c),
              HasSubstr("distill.nll_weight: with distill.on_policy the student's own"));
  c = config("bad");
  c.distill.max_new_tokens = 30;
  EXPECT_THAT(refusal(c),
              HasSubstr("prompts.jsonl:2: its prompt has 3 tokens; data.seq_len = 32 less "
                        "distill.max_new_tokens = 30 leaves 2"));
}

}  // namespace
}  // namespace fathom::posttrain
