// Whole runs of stage sft: against TRL, cut in pieces, stopped and gone on with.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/parallel.h"
#include "comm/threads/run_ranks.h"
#include "io/json.h"
#include "posttrain/sft/sft.h"
#include "posttrain/sft/test_support.h"

namespace fathom::posttrain {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SftRunTest : public StageRunTest {
 protected:
  RunConfig config(const std::string& out) const { return golden_run(dir_ / out); }
};

// TRL 1.x on transformers, the same conversations, template, masks and optimizer: losses of ten
// steps. Packed here, padded there.
TEST_F(SftRunTest, LossesOfTenStepsAreThoseOfTrl) {
  const io::JsonValue golden = value_or_throw(io::read_json(sft_golden() / "golden.json"));
  run(config("out"));
  const io::JsonArray& losses = golden.find("losses")->as_array();
  ASSERT_EQ(steps_.size(), losses.size());
  for (size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(steps_[i].loss, losses[i].as_number(), 1e-4) << "step " << i + 1;
  }
  EXPECT_GT(losses.front().as_number() - losses.back().as_number(), 0.05) << "it must have learnt";
  EXPECT_EQ(number(0, "supervised_tokens"), golden.find("supervised_tokens")->as_number());
  EXPECT_EQ(number(0, "samples"), 6.0);
}

TEST_F(SftRunTest, AnyMicroBatchesGiveTheSame) {
  for (const SftLoss loss : {SftLoss::kTokens, SftLoss::kSamples}) {
    std::vector<double> whole;
    for (const i64 micro : {3, 1}) {
      RunConfig cut = config(fmt::format("out{}{}", micro, static_cast<int>(loss)));
      cut.sft.loss = loss;
      cut.train.micro_batch_sequences = micro;
      cut.train.steps = 4;
      run(cut);
      for (size_t i = 0; i < steps_.size(); ++i) {
        if (micro == 3) {
          whole.push_back(steps_[i].loss + number(i, "sample_loss"));
        } else {
          EXPECT_NEAR(steps_[i].loss + number(i, "sample_loss"), whole[i], 2e-5);
        }
      }
    }
  }
}

// Each rank has a share of a step's rows, or some of the layers; what a step says is of all of
// them. Pairs of a DualPipe and a DualPipeV weigh one micro-batch beside the other's forward pass.
TEST_F(SftRunTest, SeveralRanksGiveTheSame) {
  std::string deep = bytes(sft_golden() / "config.json");
  const std::string layers = "\"num_hidden_layers\": ";
  deep.replace(deep.find(layers), layers.size() + 1, layers + "5");  // for four stages
  RunConfig one = config("one");
  one.model.config = dir_.write("deep.json", deep).string();
  one.model.tokenizer = sft_golden().string();
  one.model.init_from.clear();
  one.model.initializer_std = 0.15;
  one.train.batch_sequences = one.train.micro_batch_sequences = 4;
  one.sft.loss = SftLoss::kSamples;
  one.train.steps = 4;
  run(one);
  const std::vector<report::StepMetrics> alone = steps_;
  using enum PipelineSchedule;
  const std::vector<std::pair<int, ParallelConfig>> layouts = {
      {2, {}},
      {3, {}},
      {2, {.pipeline_ranks = 2, .schedule = k1F1B}},
      {2, {.pipeline_ranks = 2, .schedule = kZbH1}},
      {2, {.pipeline_ranks = 2, .schedule = kInterleaved, .pipeline_chunks = 2}},
      {2, {.pipeline_ranks = 2, .schedule = kDualPipe}},
      {2, {.pipeline_ranks = 2, .schedule = kDualPipeV}}};
  for (const auto& [ranks, layout] : layouts) {
    steps_.clear();
    comm::run_ranks(ranks, {}, [&, layout = layout](comm::Comm& world) {
      const OwnThreads threads(1);
      Ctx ctx = backend::make_context();
      RunConfig shared = one;
      shared.run.out =
          (dir_ / fmt::format("on{}-{}", world.size(), static_cast<int>(layout.schedule)) /
           std::to_string(layout.pipeline_ranks))
              .string();
      shared.train.micro_batch_sequences = 1;
      shared.parallel = layout;
      const LoadedStage loaded = load_stage(shared);
      train::TrainEvents events;
      if (world.rank() == 0) {
        events.step = [&](const report::StepMetrics& metrics) { steps_.push_back(metrics); };
      }
      train::train(ctx,
                   {.config = loaded.config,
                    .measure_peak = false,
                    .world = &world,
                    .stage = loaded.stage.get()},
                   events);
    });
    ASSERT_EQ(steps_.size(), alone.size());
    for (size_t i = 0; i < alone.size(); ++i) {
      EXPECT_NEAR(steps_[i].loss, alone[i].loss, 2e-5) << ranks << " ranks, step " << i + 1;
      EXPECT_NEAR(steps_[i].grad_norm, alone[i].grad_norm, 1e-4 * alone[i].grad_norm);
      for (size_t k = 0; k < alone[i].stage.size(); ++k) {
        EXPECT_EQ(steps_[i].stage[k].first, alone[i].stage[k].first);
        EXPECT_NEAR(steps_[i].stage[k].second, alone[i].stage[k].second, 2e-5)
            << alone[i].stage[k].first;
      }
    }
  }
}

// The two losses are means of different things, and each is lowered most by its own minimiser.
TEST_F(SftRunTest, TheMeanOfSamplesIsAnotherLoss) {
  RunConfig samples = config("samples");
  samples.sft.loss = SftLoss::kSamples;
  run(config("tokens"));
  const double tokens_loss = steps_.back().loss, of_tokens = number(9, "sample_loss");
  EXPECT_GT(std::abs(steps_.front().loss - number(0, "sample_loss")), 1e-3);
  run(samples);
  EXPECT_LT(number(9, "sample_loss"), of_tokens);
  EXPECT_GT(steps_.back().loss, tokens_loss);
}

TEST_F(SftRunTest, GoesOnBitForBitAndLeavesAModel) {
  RunConfig whole = config("whole"), cut = config("cut");
  for (RunConfig* c : {&whole, &cut}) {
    c->train.steps = 0;
    c->sft.epochs = 4.0;  // of 3 rows, 2 a step
    c->train.batch_sequences = 2;
    c->train.micro_batch_sequences = 1;
  }
  const train::TrainResult done = run(whole);
  EXPECT_EQ(done.steps, 6);
  run(cut, 4);
  EXPECT_EQ(run(cut).resumed_step, 4);
  const fs::path model = "model/model.safetensors";
  EXPECT_EQ(bytes(dir_ / "whole" / model), bytes(dir_ / "cut" / model));
  // What the template writes goes along, and its end token ends what is generated.
  EXPECT_EQ(bytes(dir_ / "cut/model/tokenizer_config.json"),
            bytes(sft_golden() / "tokenizer_config.json"));
  EXPECT_THAT(bytes(dir_ / "cut/run.toml"), HasSubstr("tokens = 1320"));
  EXPECT_THAT(bytes(dir_ / "cut/metrics.jsonl"), HasSubstr("\"stage\":{\"supervised_tokens\":"));
}

// The default is for trillions of tokens; a run of few steps is no mistake.
TEST_F(SftRunTest, TheDefaultWarmUpFitsTheRun) {
  RunConfig short_run = config("short");
  short_run.schedule.warmup_steps = ScheduleConfig{}.warmup_steps;
  EXPECT_EQ(load_stage(short_run).config.schedule.warmup_steps, 1) << "a tenth of 10 steps";
  short_run.schedule.warmup_steps = 11;
  EXPECT_THAT(refusal(short_run), HasSubstr("the warm-up is longer than the run"));
}

TEST_F(SftRunTest, OtherConversationsAreNoResumedRun) {
  RunConfig first = config("out");
  const std::string text = bytes(sft_golden() / "train.jsonl");
  const fs::path copy = dir_.write("copy.jsonl", text);
  first.data.train["chat"].paths = {copy.string()};
  run(first, 4);
  std::string changed = text;
  changed.replace(changed.find("Baltic"), 6, "Celtic");
  dir_.write("copy.jsonl", changed);
  try {
    run(first);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(),
                HasSubstr("the training text is not the text this run began with"));
  }
}

TEST_F(SftRunTest, RefusesByFileAndLine) {
  const auto with_line = [&](const std::string& line) {
    RunConfig bad = config("bad");
    bad.data.train["chat"].paths = {
        dir_.write("bad.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n" + line + "\n")
            .string()};
    return refusal(bad);
  };
  EXPECT_EQ(with_line(""), "accepted");
  EXPECT_THAT(with_line("{\"messages\": 3}"), HasSubstr("bad.jsonl:2: "));
  EXPECT_THAT(with_line("{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}"),
              HasSubstr("bad.jsonl:2: messages: no assistant's message"));
  EXPECT_THAT(with_line("{\"messages\": [{\"role\": \"user\", \"content\": \"x\", \"loss\": 1}]}"),
              HasSubstr("bad.jsonl:2: messages[0].loss: expected true or false"));
  EXPECT_THAT(with_line("{\"prompt\": \"x\"}"), HasSubstr("completion: missing beside prompt"));
  EXPECT_THAT(with_line("{\"text\": \"x\"}"), HasSubstr("bad.jsonl:2: expected an object with"));
  EXPECT_THAT(with_line("[1"), HasSubstr("bad.jsonl:2"));
  RunConfig weighted = config("bad");
  weighted.data.train["chat"].weight = 2.0;
  EXPECT_THAT(refusal(weighted), HasSubstr("data.train.chat.weight"));
  RunConfig none = config("bad");
  none.data.train.clear();
  EXPECT_THAT(refusal(none), HasSubstr("data.train: no source"));
  RunConfig short_rows = config("bad");
  short_rows.data.seq_len = 4;
  EXPECT_THAT(refusal(short_rows), HasSubstr("no sample of at most data.seq_len = 4 tokens"));
  RunConfig unknown = config("bad");
  unknown.sft.chat_template = "deepseek-v9";
  EXPECT_THAT(refusal(unknown), HasSubstr("deepseek-v9"));
}

// Samples that do not fit are counted; cut-prompt keeps every target and the first token.
TEST_F(SftRunTest, SamplesThatAreTooLong) {
  RunConfig config = this->config("long");
  config.data.seq_len = 20;
  config.data.train["chat"].paths = {
      dir_.write("long.jsonl",
                 "{\"prompt\": \"0123456789abcdefghijklm\", \"completion\": \"xyz\"}\n"
                 "{\"prompt\": \"a\", \"completion\": \"0123456789abcdefghijklm\"}\n"
                 "{\"prompt\": \"a\", \"completion\": \"b\"}\n")
          .string()};
  EXPECT_THAT(
      load_stage(config).stage->statistics(),
      HasSubstr("3 lines, 1 samples, 4 tokens of which 2 are learnt, the longest sample has "
                "28; 2 too long"));
  config.sft.too_long = SftTooLong::kCutPrompt;
  LoadedStage loaded = load_stage(config);
  auto& sft = dynamic_cast<Sft&>(*loaded.stage);
  ASSERT_EQ(sft.samples().set().size(), 2);
  const SampleSet::Sample cut = sft.samples().set()[0];
  EXPECT_EQ(cut.ids.size(), 20u);
  EXPECT_EQ(cut.ids.front(), 0) << "BOS stays";
  EXPECT_THAT(std::vector<u8>(cut.supervised.end() - 5, cut.supervised.end()),
              ElementsAre(0, 1, 1, 1, 1));
}

}  // namespace
}  // namespace fathom::posttrain
