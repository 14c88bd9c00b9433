#include "report/run/run_history.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "report/metrics/test_run.h"
#include "report/run/missing_value.h"
#include "report/run/run_summary.h"

namespace fathom::report {
namespace {

TEST(BucketedRows, KeepsMeansAndExtremesInBoundedMemory) {
  BucketedRows rows(8);
  for (i64 step = 1; step <= 1000; ++step) {
    const std::array row = {static_cast<double>(step), step % 2 == 0 ? kNan : 7.0};
    rows.add({step, step * 10, 0.5 * static_cast<double>(step)}, row);
  }
  EXPECT_LE(rows.buckets().size(), 8u);
  EXPECT_GE(rows.buckets().size(), 4u);
  EXPECT_EQ(rows.rows_per_bucket(), 128 * 2 / 2);
  i64 before = 0;
  for (const BucketedRows::Bucket& bucket : rows.buckets()) {
    const BucketedRows::Cell all = BucketedRows::cell(bucket, 0);
    EXPECT_EQ(all.least, static_cast<float>(before + 1));
    EXPECT_EQ(all.largest, static_cast<float>(bucket.last.step));
    EXPECT_DOUBLE_EQ(all.mean(), static_cast<double>(before + 1 + bucket.last.step) / 2);
    EXPECT_EQ(bucket.last.tokens, bucket.last.step * 10);
    EXPECT_EQ(BucketedRows::cell(bucket, 1).mean(), 7.0);  // NaNs count as absent
    EXPECT_TRUE(std::isnan(BucketedRows::cell(bucket, 2).mean()));
    before = bucket.last.step;
  }
  EXPECT_EQ(before, 1000);
}

TEST(BucketedRows, ExtremesStandWhereverTheyCame) {
  for (const auto& values : {std::array{3.0, 1.0, 2.0}, std::array{1.0, 3.0, 2.0}}) {
    BucketedRows::Cell cell;
    for (const double value : values) cell.add(value);
    EXPECT_EQ(cell.least, 1.0f);
    EXPECT_EQ(cell.largest, 3.0f);
  }
}

TEST(BucketedRows, RowsMayGrowWider) {
  BucketedRows rows(4);
  rows.add({1, 0, 0}, std::array{1.0});
  for (i64 step = 2; step <= 5; ++step) rows.add({step, 0, 0}, std::array{1.0, 2.0});
  EXPECT_EQ(rows.width(), 2u);
  ASSERT_EQ(rows.buckets().size(), 3u);
  EXPECT_EQ(BucketedRows::cell(rows.buckets()[0], 1).count, 1);
  EXPECT_EQ(BucketedRows::cell(rows.buckets()[0], 0).count, 2);
}

TEST(JensenShannon, KnownValues) {
  const std::vector<double> a = {1, 0, 0, 0}, b = {0, 0.5, 0.5, 0}, c = {0, 0, 0, 1};
  EXPECT_NEAR(jensen_shannon_bits({&a, &a, &a}), 0.0, 1e-15);
  EXPECT_NEAR(jensen_shannon_bits({&a, &b}), 1.0, 1e-15);
  EXPECT_NEAR(jensen_shannon_bits({&a, &b, &c}), std::log2(3.0), 1e-15);
  const std::vector<double> p = {0.75, 0.25}, q = {0.25, 0.75};
  // 1 bit of the mean less H(3/4) = 2 - 0.75 log2 3
  EXPECT_NEAR(jensen_shannon_bits({&p, &q}), 1.0 - (2.0 - 0.75 * std::log2(3.0)), 1e-15);
}

TEST(RunHistory, GathersWhatARunSaid) {
  RunHistory history;
  history.add(test_info());
  history.add(test_validation(0, "web", 0.5));
  for (i64 step = 1; step <= 10; ++step) {
    StepMetrics metrics = test_step(step);
    if (step == 4) metrics.skipped = "grad_norm is inf";
    history.add(metrics);
    if (step % 5 == 0) {
      history.add(test_validation(step, "web", step == 5 ? -0.5 : 0.5));
      history.add(test_validation(step, "code", 0.0));
    }
  }
  EXPECT_EQ(history.info().title, "test run");
  EXPECT_FALSE(history.end());
  EXPECT_EQ(history.steps().buckets().size(), 10u);
  ASSERT_EQ(history.sets().size(), 2u);
  const SetHistory& web = history.sets()[0];
  EXPECT_EQ(web.loss.buckets().size(), 3u);
  EXPECT_EQ(web.loss.buckets()[1].last.tokens, 5 * 64);
  EXPECT_EQ(web.best_step, 5);
  EXPECT_EQ(web.best_loss, test_validation(5, "web", -0.5).loss);
  EXPECT_EQ(history.num_skipped(), 1);
  EXPECT_EQ(history.skipped()[0].step, 4);
  ASSERT_EQ(history.load().layers.size(), 2u);
  EXPECT_EQ(history.load().layers[1], "model.layers.2");
  EXPECT_EQ(history.load().shares.rows().width(), 8u);
  const BucketedRows bits = history.specialisation();
  ASSERT_EQ(bits.buckets().size(), 2u);  // step 0 had one set
  const LayerLoad a = test_load(1, 4, 5 - 5.0), b = test_load(1, 4, 5.0);
  EXPECT_NEAR(BucketedRows::cell(bits.buckets()[0], 0).mean(),
              jensen_shannon_bits({&a.share, &b.share}), 1e-12);
  EXPECT_EQ(bits.buckets()[0].last.tokens, 5 * 64);

  history.add(RunEnd{10, RunState::kFinished, ""});
  EXPECT_TRUE(history.end());
}

TEST(RunHistory, AResumedRunHasNotEnded) {
  RunHistory history;
  history.add(test_step(1));
  history.add(RunEnd{1, RunState::kInterrupted, "stopped by a signal"});
  history.add(test_step(2));
  EXPECT_FALSE(history.end());
}

TEST(RunHistory, APeakThatWasNotMeasuredIsNoZero) {
  RunHistory history;
  StepMetrics metrics = test_step(1);
  metrics.gemm_peak_frac = 0.0;
  history.add(metrics);
  EXPECT_TRUE(std::isnan(summarise(history).gemm_peak_frac));
}

TEST(RunHistory, ASummaryIsOfTheLastSteps) {
  RunHistory history;
  history.add(test_info());
  for (i64 step = 1; step <= 60; ++step) history.add(test_step(step));
  const RunSummary summary = summarise(history);
  EXPECT_EQ(summary.step, 60);
  EXPECT_EQ(summary.recent_steps, 3);
  EXPECT_NEAR(summary.loss, 2.0 + (6.0 / 58 + 6.0 / 59 + 6.0 / 60) / 3, 1e-12);
  EXPECT_EQ(summary.dead_experts, 1);
  EXPECT_EQ(summary.experts, 8);
  EXPECT_EQ(summary.max_vio, std::max(test_load(1, 4, 60).max_vio, test_load(2, 4, 60).max_vio));
  EXPECT_NEAR(seconds_left(history), 40 * 0.1, 1e-9);
}

TEST(RunHistory, StepsWithoutSharesKeepTheLastRecordedLoad) {
  RunHistory history;
  StepMetrics metrics = test_step(1);
  for (LayerLoad& layer : metrics.load) layer.share.clear();
  history.add(metrics);
  EXPECT_TRUE(history.load().latest.empty());
  EXPECT_EQ(history.load().numbers.buckets().size(), 1u);
  history.add(test_step(2));
  metrics.step = 3;
  history.add(metrics);
  EXPECT_EQ(history.load().latest_step, 2);
  EXPECT_EQ(history.load().shares.rows().buckets().size(), 1u);
  EXPECT_EQ(history.load().numbers.buckets().size(), 3u);
}

}  // namespace
}  // namespace fathom::report
