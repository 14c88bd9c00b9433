#include "report/metrics/metrics_json.h"

#include <gmock/gmock.h>

#include <bit>
#include <limits>
#include <random>

#include "io/json.h"
#include "report/metrics/metrics_log.h"
#include "report/metrics/test_run.h"
#include "testing/temp_dir.h"

namespace fathom::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

template <typename Record>
Record round_trip(const Record& record) {
  const std::string line = metrics_line(record);
  EXPECT_EQ(line.find('\n'), line.npos);
  auto parsed = parse_metrics_line(line, "test");
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message());
  return std::get<Record>(*parsed);
}

std::string verdict(std::string_view line) {
  const auto parsed = parse_metrics_line(line, "m.jsonl:3");
  return parsed ? "" : parsed.error().message();
}

TEST(MetricsJson, EveryMemberComesBack) {
  StepMetrics step = test_step(7);
  step.skipped = "loss is \"nan\"\n(samples 3, 4)";
  const StepMetrics got = round_trip(step);
  EXPECT_EQ(got.step, step.step);
  EXPECT_EQ(got.tokens, step.tokens);
  EXPECT_EQ(got.samples, step.samples);
  EXPECT_EQ(got.loss, step.loss);
  EXPECT_EQ(got.bits_per_byte, step.bits_per_byte);
  EXPECT_EQ(got.mtp_loss, step.mtp_loss);
  EXPECT_EQ(got.balance_loss, step.balance_loss);
  EXPECT_EQ(got.lr, step.lr);
  EXPECT_EQ(got.grad_norm, step.grad_norm);
  EXPECT_EQ(got.bias_update_speed, step.bias_update_speed);
  EXPECT_EQ(got.tokens_per_s, step.tokens_per_s);
  EXPECT_EQ(got.gemm_peak_frac, step.gemm_peak_frac);
  EXPECT_EQ(got.seconds, step.seconds);
  EXPECT_EQ(got.dropped, step.dropped);
  EXPECT_EQ(got.skipped, step.skipped);
  ASSERT_EQ(got.load.size(), step.load.size());
  for (size_t l = 0; l < step.load.size(); ++l) {
    EXPECT_EQ(got.load[l].layer, step.load[l].layer);
    EXPECT_EQ(got.load[l].share, step.load[l].share);
    EXPECT_EQ(got.load[l].max_vio, step.load[l].max_vio);
    EXPECT_EQ(got.load[l].entropy, step.load[l].entropy);
    EXPECT_EQ(got.load[l].dead_experts, step.load[l].dead_experts);
    EXPECT_EQ(got.load[l].bias_min, step.load[l].bias_min);
    EXPECT_EQ(got.load[l].bias_max, step.load[l].bias_max);
  }

  const ValidationMetrics set = test_validation(8, "a/b \"c\" é", 0.25);
  const ValidationMetrics got_set = round_trip(set);
  EXPECT_EQ(got_set.step, set.step);
  EXPECT_EQ(got_set.set, set.set);
  EXPECT_EQ(got_set.loss, set.loss);
  EXPECT_EQ(got_set.bits_per_byte, set.bits_per_byte);
  EXPECT_EQ(got_set.mtp_loss, set.mtp_loss);
  EXPECT_EQ(got_set.mtp_acceptance, set.mtp_acceptance);
  EXPECT_EQ(got_set.load.size(), set.load.size());

  const RunInfo got_info = round_trip(test_info());
  EXPECT_EQ(got_info.title, test_info().title);
  EXPECT_EQ(got_info.config, test_info().config);
  EXPECT_EQ(got_info.started, test_info().started);
  EXPECT_EQ(got_info.total_steps, test_info().total_steps);
  EXPECT_EQ(got_info.total_tokens, test_info().total_tokens);
  EXPECT_EQ(got_info.facts, test_info().facts);

  const RunEnd got_end = round_trip(RunEnd{9, RunState::kFailed, "disk"});
  EXPECT_EQ(got_end.step, 9);
  EXPECT_EQ(got_end.state, RunState::kFailed);
  EXPECT_EQ(got_end.reason, "disk");
}

TEST(MetricsJson, NumbersComeBackBitForBit) {
  StepMetrics step = test_step(1);
  step.mtp_loss = {-0.0, 5e-324, std::numeric_limits<double>::max(), 0.1, 1.0 / 3, 4.0, 1e22};
  std::mt19937_64 random(1);
  while (step.mtp_loss.size() < 5000) {
    const auto value = std::bit_cast<double>(random());
    if (std::isfinite(value)) step.mtp_loss.push_back(value);
  }
  const std::vector<double> got = round_trip(step).mtp_loss;
  ASSERT_EQ(got.size(), step.mtp_loss.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<u64>(got[i]), std::bit_cast<u64>(step.mtp_loss[i])) << got[i];
  }
}

TEST(MetricsJson, WhatIsNotFiniteIsNullWithAFlag) {
  StepMetrics step = test_step(1);
  step.loss = kNan;
  step.grad_norm = kInf;
  step.mtp_loss[1] = -kInf;
  step.load[1].share[2] = kNan;
  const std::string line = metrics_line(step);
  const auto json = io::parse_json(line, "line");
  ASSERT_TRUE(json.has_value());
  EXPECT_TRUE(json->find("loss")->is_null());
  const io::JsonValue* flags = json->find("nonfinite");
  ASSERT_NE(flags, nullptr);
  EXPECT_EQ(flags->as_object().size(), 4u);
  EXPECT_EQ(flags->find("loss")->as_string(), "nan");
  EXPECT_EQ(flags->find("grad_norm")->as_string(), "inf");
  EXPECT_EQ(flags->find("mtp_loss.1")->as_string(), "-inf");
  EXPECT_EQ(flags->find("load.1.share.2")->as_string(), "nan");

  const StepMetrics got = round_trip(step);
  EXPECT_TRUE(std::isnan(got.loss));
  EXPECT_EQ(got.grad_norm, kInf);
  EXPECT_EQ(got.mtp_loss[1], -kInf);
  EXPECT_EQ(got.mtp_loss[0], step.mtp_loss[0]);
  EXPECT_TRUE(std::isnan(got.load[1].share[2]));
  EXPECT_THAT(metrics_line(test_step(1)), Not(HasSubstr("nonfinite")));
}

TEST(MetricsJson, WrongLinesAreNamed) {
  EXPECT_THAT(verdict("{\"kind\":\"step\""), HasSubstr("m.jsonl:3"));
  EXPECT_THAT(verdict("[]"), HasSubstr("no \"kind\""));
  EXPECT_THAT(verdict("{\"kind\":\"stop\"}"), HasSubstr("unknown kind \"stop\""));
  EXPECT_THAT(verdict("{\"kind\":\"end\",\"step\":1,\"state\":\"finished\"}"),
              HasSubstr("reason: missing"));
  EXPECT_THAT(verdict("{\"kind\":\"end\",\"step\":1.5,\"state\":\"finished\",\"reason\":\"\"}"),
              HasSubstr("step: expected an integer"));
  EXPECT_THAT(verdict("{\"kind\":\"end\",\"step\":1,\"state\":\"gone\",\"reason\":\"\"}"),
              HasSubstr("state: expected a state"));
  std::string line = metrics_line(test_step(1));
  line.replace(line.find("\"loss\":8.0"), 10, "\"loss\":null");
  EXPECT_THAT(verdict(line), HasSubstr("loss: expected a number, or null with a flag"));
  std::string newer = metrics_line(RunEnd{1, RunState::kFinished, ""});
  newer.insert(newer.size() - 1, ",\"added_later\":[1,{}]");
  EXPECT_EQ(verdict(newer), "");
}

std::string lines(std::initializer_list<MetricsRecord> records) {
  std::string text;
  for (const MetricsRecord& record : records) text += metrics_line(record) + "\n";
  return text;
}

TEST(MetricsLog, KeepsWhatAResumedRunKeeps) {
  const testing::TempDir folder;
  const std::string kept = lines({test_info(), test_validation(0, "a", 0.1), test_step(1),
                                  test_step(2), test_validation(2, "a", 0.1)});
  const std::string rest = lines({test_step(3), RunEnd{3, RunState::kInterrupted, "SIGINT"}});
  const auto path = folder.write("metrics.jsonl", kept + rest);
  i64 seen = 0;
  const auto scan = scan_metrics(path, 2, [&](const MetricsRecord&) { ++seen; });
  ASSERT_TRUE(scan.has_value());
  EXPECT_EQ(scan->bytes_kept, std::ssize(kept));
  EXPECT_EQ(seen, 5);

  // The end of the very step that is kept goes as well, and without a limit it stays.
  const auto last = scan_metrics(path, 3, [](const MetricsRecord&) {});
  EXPECT_EQ(last->bytes_kept, std::ssize(kept + lines({test_step(3)})));
  const auto all = scan_metrics(path, std::nullopt, [](const MetricsRecord&) {});
  EXPECT_EQ(all->bytes_kept, std::ssize(kept + rest));
}

TEST(MetricsLog, ATornLastLineIsNotKeptWhereverItTears) {
  const testing::TempDir folder;
  const std::string kept = lines({test_info(), test_step(1)});
  const std::string torn = metrics_line(test_step(2)) + "\n";
  for (size_t length = 0; length < torn.size(); ++length) {
    const auto path = folder.write("metrics.jsonl", kept + torn.substr(0, length));
    const auto scan = scan_metrics(path, 100, [](const MetricsRecord&) {});
    ASSERT_TRUE(scan.has_value());
    ASSERT_EQ(scan->bytes_kept, std::ssize(kept)) << length;
    ASSERT_EQ(scan->damaged_lines, 0);
  }
}

TEST(MetricsLog, DamagedLinesInBetweenAreCountedAndPassedOver) {
  const testing::TempDir folder;
  const std::string text = lines({test_step(1)}) + "{\"kind\":\n" + lines({test_step(2)}) + "{}\n";
  i64 seen = 0;
  const auto scan = scan_metrics(folder.write("m", text), 5, [&](const MetricsRecord&) { ++seen; });
  EXPECT_EQ(seen, 2);
  EXPECT_EQ(scan->damaged_lines, 2);
  EXPECT_THAT(scan->first_damage, HasSubstr("m:2"));
  EXPECT_EQ(scan->bytes_kept, std::ssize(text) - 3);  // up to the last whole record
}

}  // namespace
}  // namespace fathom::report
