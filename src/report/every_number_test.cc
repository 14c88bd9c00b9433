// Records whose every field is another number, through every output: a number that goes missing, or
// shows up under another's name, is seen at once. The structured bindings below name every field of
// a record; a field that is added does not compile until it is looked for here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/metrics/metrics_json.h"
#include "report/metrics/tensorboard.h"
#include "report/run/report_data.h"
#include "report/run/report_page.h"
#include "report/run/run_summary.h"

namespace fathom::report {
namespace {

using ::testing::HasSubstr;

/// Numbers around `base` that print exactly.
LayerLoad numbered_load(const std::string& name, double base) {
  LayerLoad load;
  auto& [layer, share, max_vio, entropy, dead_experts, bias_min, bias_max] = load;
  layer = name;
  share = {0.125, 0.875};
  max_vio = base + 0.5;
  entropy = base + 1.5;
  dead_experts = static_cast<i64>(base) + 2;
  bias_min = -base - 3;
  bias_max = base + 5;
  return load;
}

StepMetrics numbered_step() {
  StepMetrics metrics;
  auto& [step, tokens, samples, loss, bits_per_byte, mtp_loss, balance_loss, lr, grad_norm,
         bias_update_speed, tokens_per_s, gemm_peak_frac, seconds, dropped, skipped, load, stage] =
      metrics;
  step = 1;
  tokens = 102;
  samples = 103;
  loss = 104.5;
  bits_per_byte = 105.5;
  mtp_loss = {106.5, 107.5};
  balance_loss = 108.5;
  lr = 109.5;
  grad_norm = 111.25;
  bias_update_speed = 112.5;
  tokens_per_s = 113.5;
  gemm_peak_frac = 0.125;
  seconds = 114.5;
  dropped = 115;
  skipped = "";
  load = {numbered_load("first", 120), numbered_load("second", 130)};
  stage = {{"reward", 116.5}, {"length", 117.5}};
  return metrics;
}

ValidationMetrics numbered_validation() {
  ValidationMetrics metrics;
  auto& [step, set, loss, bits_per_byte, mtp_loss, mtp_acceptance, load] = metrics;
  step = 1;
  set = "held";
  loss = 202.5;
  bits_per_byte = 203.5;
  mtp_loss = {204.5, 205.5};
  mtp_acceptance = {206.5, 207.5};
  load = {numbered_load("first", 220)};
  return metrics;
}

TaskMetrics numbered_task() {
  TaskMetrics metrics;
  auto& [step, task, items, chance, values, errors] = metrics;
  step = 1;
  task = "a task";
  items = 501;
  chance = 0.25;
  values = {{"acc", 0.5}, {"perplexity", 502.5}};
  errors = {{"perplexity", 503.5}};
  return metrics;
}

RunInfo numbered_info() {
  RunInfo info;
  auto& [title, config, started, total_steps, total_tokens, facts] = info;
  title = "a run";
  config = "seed = 301\n";
  started = 302.5;
  total_steps = 303;
  total_tokens = 304;
  facts = {{"parameters", "305 M"}};
  return info;
}

TEST(EveryNumber, InMetricsJsonl) {
  EXPECT_EQ(
      metrics_line(numbered_step()),
      R"({"kind":"step","step":1,"tokens":102,"samples":103,"seconds":114.5,"loss":104.5,)"
      R"("bits_per_byte":105.5,"mtp_loss":[106.5,107.5],"balance_loss":108.5,"lr":109.5,)"
      R"("grad_norm":111.25,"bias_update_speed":112.5,"tokens_per_s":113.5,"gemm_peak_frac":0.125,)"
      R"("dropped":115,"skipped":"","load":[{"layer":"first","max_vio":120.5,"entropy":121.5,)"
      R"("dead_experts":122,"bias_min":-123.0,"bias_max":125.0,"share":[0.125,0.875]},)"
      R"({"layer":"second","max_vio":130.5,"entropy":131.5,"dead_experts":132,"bias_min":-133.0,)"
      R"("bias_max":135.0,"share":[0.125,0.875]}],"stage":{"reward":116.5,"length":117.5}})");
  EXPECT_EQ(metrics_line(StepMetrics{}).find("stage"), std::string::npos);
  EXPECT_EQ(metrics_line(numbered_validation()),
            R"({"kind":"validation","step":1,"set":"held","loss":202.5,"bits_per_byte":203.5,)"
            R"("mtp_loss":[204.5,205.5],"mtp_acceptance":[206.5,207.5],"load":[{"layer":"first",)"
            R"("max_vio":220.5,"entropy":221.5,"dead_experts":222,"bias_min":-223.0,)"
            R"("bias_max":225.0,"share":[0.125,0.875]}]})");
  EXPECT_EQ(metrics_line(numbered_task()),
            R"({"kind":"task","step":1,"task":"a task","items":501,"chance":0.25,)"
            R"("values":{"acc":0.5,"perplexity":502.5},"errors":{"perplexity":503.5}})");
  EXPECT_EQ(metrics_line(numbered_info()),
            R"({"kind":"run","title":"a run","started":302.5,"total_steps":303,)"
            R"("total_tokens":304,"facts":[["parameters","305 M"]],"config":"seed = 301\n"})");
  EXPECT_EQ(metrics_line(RunEnd{401, RunState::kFailed, "402"}),
            R"({"kind":"end","step":401,"state":"failed","reason":"402"})");
}

/// Writes and reads: the same line again, so that every member reached its own field.
TEST(EveryNumber, BackFromMetricsJsonl) {
  for (const MetricsRecord& record :
       {MetricsRecord(numbered_step()), MetricsRecord(numbered_validation()),
        MetricsRecord(numbered_task()), MetricsRecord(numbered_info()),
        MetricsRecord(RunEnd{401, RunState::kInterrupted, "402"})}) {
    const std::string line = metrics_line(record);
    const auto read = parse_metrics_line(line, "test");
    ASSERT_TRUE(read.has_value()) << line;
    EXPECT_EQ(metrics_line(*read), line);
  }
}

std::string listed(const std::vector<EventScalar>& scalars) {
  std::string text;
  for (const EventScalar& scalar : scalars) {
    text += scalar.tag + " " + std::to_string(scalar.value).substr(0, 6) + "\n";
  }
  return text;
}

TEST(EveryNumber, InTensorBoard) {
  EXPECT_EQ(listed(event_scalars(numbered_step())),
            "train/loss 104.50\n"
            "train/bits_per_byte 105.50\n"
            "train/tokens 102.00\n"
            "train/skipped 0.0000\n"
            "mtp/loss_1 106.50\n"
            "mtp/loss_2 107.50\n"
            "lr 109.50\n"
            "grad_norm 111.25\n"
            "speed/tokens_per_s 113.50\n"
            "speed/gemm_peak_frac 0.1250\n"
            "balance/loss 108.50\n"
            "balance/bias_update_speed 112.50\n"
            "balance/dropped 115.00\n"
            "balance/max_vio/first 120.50\n"
            "balance/entropy/first 121.50\n"
            "balance/dead_experts/first 122.00\n"
            "balance/bias_min/first -123.0\n"
            "balance/bias_max/first 125.00\n"
            "balance/max_vio/second 130.50\n"
            "balance/entropy/second 131.50\n"
            "balance/dead_experts/second 132.00\n"
            "balance/bias_min/second -133.0\n"
            "balance/bias_max/second 135.00\n"
            "stage/reward 116.50\n"
            "stage/length 117.50\n");
  StepMetrics skipped = numbered_step();
  skipped.skipped = "why";
  EXPECT_EQ(event_scalars(skipped)[3].value, 1.0f);
  EXPECT_EQ(listed(event_scalars(numbered_validation())),
            "validation/held/loss 202.50\n"
            "validation/held/bits_per_byte 203.50\n"
            "validation/held/mtp_loss_1 204.50\n"
            "validation/held/mtp_loss_2 205.50\n"
            "validation/held/mtp_acceptance_1 206.50\n"
            "validation/held/mtp_acceptance_2 207.50\n"
            "validation/held/max_vio/first 220.50\n");
}

TEST(EveryNumber, OfATaskInTensorBoard) {
  EXPECT_EQ(listed(event_scalars(numbered_task())),
            "tasks/a task/acc 0.5000\n"
            "tasks/a task/perplexity 502.50\n");
}

RunHistory numbered_history() {
  RunHistory history;
  history.add(numbered_info());
  history.add(numbered_step());
  history.add(numbered_validation());
  history.add(numbered_task());
  return history;
}

TEST(EveryNumber, InTheReportsData) {
  EXPECT_EQ(
      report_data(numbered_history(), ReportDetail::kFull),
      R"({"title":"a run","started":302.5,"total_steps":303,"total_tokens":304,"steps":{"rows":1,)"
      R"("x":{"step":[1],"tokens":[102],"seconds":[114.5]},"loss":[104.5],)"
      R"("bits_per_byte":[105.5],"lr":[109.5],"grad_norm":[111.25],"tokens_per_s":[113.5],)"
      R"("gemm_peak_frac":[0.125],"balance_loss":[108.5],"bias_update_speed":[112.5],)"
      R"("dropped":[115],"mtp_loss":[[106.5],[107.5]]},"stage":{"x":{"step":[1],"tokens":[102],)"
      R"("seconds":[114.5]},"names":["reward","length"],"numbers":[[116.5],[117.5]]},)"
      R"("layers":{"x":{"step":[1],"tokens":[102],)"
      R"("seconds":[114.5]},"names":["first","second"],"max_vio":[[120.5],[130.5]],)"
      R"("entropy":[[121.5],[131.5]],"dead_experts":[[122],[132]],"bias_min":[[-123],[-133]],)"
      R"("bias_max":[[125],[135]]},"shares":{"x":{"step":[1],"tokens":[102],"seconds":[114.5]},)"
      R"("layers":[{"name":"first","experts":2},{"name":"second","experts":2}],)"
      R"("codes":"QJlAmQ=="},"sets":[{"name":"held","step":1,"best_step":1,"x":{"step":[1],)"
      R"("tokens":[102],"seconds":[114.5]},"loss":[202.5],"bits_per_byte":[203.5],)"
      R"("mtp":{"x":{"step":[1],"tokens":[102],"seconds":[114.5]},"loss":[[204.5],[205.5]]},)"
      R"("acceptance":{"x":{"step":[1],"tokens":[102],"seconds":[114.5]},"share":[[206.5],)"
      R"([207.5]]},"load":[{"layer":"first","max_vio":220.5,"load":[0.25,1.75]}],)"
      R"("shares":{"x":{"step":[1],"tokens":[102],"seconds":[114.5]},"layers":[{"name":"first",)"
      R"("experts":2}],"codes":"QJk="}}],"tasks":[{"name":"a task","chance":0.25,)"
      R"("metrics":["acc","perplexity"],"x":{"step":[1],"tokens":[102],"seconds":[114.5]},)"
      R"("values":[[0.5],[502.5]],"errors":[[null],[503.5]]}],"specialisation":{"x":{"step":[],"tokens":[],)"
      R"("seconds":[]},"layers":["first"],"bits":[]},"skipped":[]})");
  const std::string curves = report_data(numbered_history(), ReportDetail::kCurvesOnly);
  EXPECT_EQ(curves.find("shares"), curves.npos);
  EXPECT_EQ(curves.find("\"load\""), curves.npos);
}

TEST(EveryNumber, OnTheReportsPage) {
  const std::string page = report_page(numbered_history(), {.generated = 303.5, .alive = false});
  // The validation's row, the layers' rows, and the tiles.
  for (const char* text :
       // NOLINTNEXTLINE(bugprone-suspicious-missing-comma): one text on two lines
       {"held</th><td>1</td><td>202.5000</td><td>203.5000</td><td>202.5000</td><td>203.5000</td>"
        "<td>1</td><td>204.5000 · 205.5000</td><td>206.500 · 207.500</td></tr>",
        "first</th><td>2</td><td>120.500</td><td>121.500</td><td>122</td><td>-123 … 125</td></tr>",
        "second</th><td>2</td><td>130.500</td><td>131.500</td><td>132</td><td>-133 … 135</td></tr>",
        "a "
        "task</th><td>1</td><td>501</td><td>acc</td><td>0.5000</td><td>–</td><td>0.2500</td></tr>",
        "a task</th><td>1</td><td>501</td><td>perplexity</td><td>502.5000</td><td>503.5000</td>",
        "Training loss</dt><dd>104.5000</dd>", "Bits per byte</dt><dd>105.5000</dd>",
        "Validation held</dt><dd>203.5000</dd><dd class=\"note\">bits per byte, loss 202.5000",
        "Tokens a second</dt><dd>114</dd><dd class=\"note\">12 % of the GEMM peak",
        "Learning rate</dt><dd>110</dd>", "Gradient norm</dt><dd>111</dd>",
        "MaxVio</dt><dd>130.50</dd><dd class=\"note\">worst layer: second",
        "Dead experts</dt><dd>254<small> of 4</small>", "step <b>1</b> of 303",
        "<b>102</b> of 304 tokens", "<dt>parameters</dt><dd>305 M</dd>", "seed = 301"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
}

TEST(EveryNumber, InTheSummary) {
  const RunSummary summary = summarise(numbered_history());
  const auto& [step, tokens, seconds, recent_steps, loss, bits_per_byte, grad_norm, tokens_per_s,
               gemm_peak_frac, max_vio, mean_max_vio, worst_layer, dead_experts, experts] = summary;
  EXPECT_EQ(step, 1);
  EXPECT_EQ(tokens, 102);
  EXPECT_EQ(seconds, 114.5);
  EXPECT_EQ(recent_steps, 1);
  EXPECT_EQ(loss, 104.5);
  EXPECT_EQ(bits_per_byte, 105.5);
  EXPECT_EQ(grad_norm, 111.25);
  EXPECT_EQ(tokens_per_s, 113.5);
  EXPECT_EQ(gemm_peak_frac, 0.125);
  EXPECT_EQ(max_vio, 130.5);
  EXPECT_EQ(mean_max_vio, 125.5);
  EXPECT_EQ(worst_layer, "second");
  EXPECT_EQ(dead_experts, 122 + 132);
  EXPECT_EQ(experts, 4);
}

// The best of a set is the step with the lowest loss, with the bits of that step.
TEST(EveryNumber, TheBestValidation) {
  RunHistory history = numbered_history();
  ValidationMetrics next = numbered_validation();
  next.step = 2;
  next.loss = 150.0;
  next.bits_per_byte = 300.0;
  history.add(next);
  next.step = 3;
  next.loss = 160.0;
  next.bits_per_byte = 100.0;
  history.add(next);
  const SetHistory& set = history.sets().front();
  EXPECT_EQ(set.best_step, 2);
  EXPECT_EQ(set.best_loss, 150.0);
  EXPECT_EQ(set.best_bits_per_byte, 300.0);
  EXPECT_EQ(set.latest.step, 3);
  EXPECT_EQ(set.latest.loss, 160.0);
}

}  // namespace
}  // namespace fathom::report
