// Losses, gradients and ten optimizer steps against PyTorch's autograd over transformers' models
// (tools/golden/make_training_golden.py), in F32 on every instruction set.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "checkpoint/flat_weights.h"
#include "io/safetensors.h"
#include "model/test_support.h"
#include "model/training/training_test_support.h"
#include "ops/optimizer/optimizer.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

using testing::for_each_isa;

/// ||ours - theirs|| / ||theirs|| of one tensor's gradient; the order of sums is all that differs.
constexpr double kGradientTol = 1e-4;
constexpr double kLossTol = 1e-5;

class TrainingGolden : public ::testing::TestWithParam<std::string> {
 protected:
  TrainingGolden()
      : directory_(golden_directory(GetParam()).string()),
        file_(value_or_throw(
            io::SafetensorsFile::open(golden_directory(GetParam()) / "golden.safetensors"))),
        config_(value_or_throw(load_model_config(directory_))) {
    const std::vector<double> r = doubles("recipe");
    recipe_ = f32_recipe();
    mtp_weight_ = r[0];
    BalanceConfig& balance = recipe_.balance;
    balance.seq_aux_loss_weight = r[1];
    balance.batch_aux_loss_weight = r[2];
    balance.expert_aux_loss_weight = r[3];
    balance.device_aux_loss_weight = r[4];
    balance.comm_aux_loss_weight = r[5];
    balance.num_devices = static_cast<i64>(r[6]);
    balance.max_devices_per_token = static_cast<i64>(r[7]);
    lr_ = r[8];
    tokens_ = ids("tokens");
    targets_ = ids("targets");
    shape_ = file_.find("targets")->shape;  // [batches, heads, sequences, seq_len]
  }

  std::vector<double> doubles(const std::string& name) const {
    std::vector<double> scratch;
    const auto stored = file_.find(name)->elements_as<double>(scratch);
    return {stored.begin(), stored.end()};
  }
  std::vector<i32> ids(const std::string& name) const {
    std::vector<i64> scratch;
    std::vector<i32> result;
    for (const i64 id : file_.find(name)->elements_as<i64>(scratch)) {
      result.push_back(static_cast<i32>(id));
    }
    return result;
  }

  i64 heads() const { return shape_[1]; }
  i64 sequences() const { return shape_[2]; }
  i64 seq_len() const { return shape_[3]; }

  TrainingBatch batch(i64 index) const {
    const i64 width = seq_len() + heads();
    return {.tokens = {tokens_.data() + index * sequences() * width, {sequences(), width}},
            .targets = {targets_.data() + index * heads() * sequences() * seq_len(),
                        {heads(), sequences(), seq_len()}}};
  }
  LossScale scale(i64 index) const {
    const i32* first = targets_.data() + index * heads() * sequences() * seq_len();
    const auto count =
        std::count_if(first, first + sequences() * seq_len(), [](i32 t) { return t >= 0; });
    return {.targets = static_cast<double>(count),
            .sequences = static_cast<double>(sequences()),
            .mtp_weight = mtp_weight_};
  }
  double total_loss(const StepStats& stats, const LossScale& s) const {
    double loss = stats.nll / s.targets + stats.balance_loss();
    for (const double nll : stats.mtp_nll) {
      loss += mtp_weight_ / static_cast<double>(stats.mtp_nll.size()) * nll / s.targets;
    }
    return loss;
  }

  std::string directory_;
  io::SafetensorsFile file_;
  ModelConfig config_;
  TrainingRecipe recipe_;
  double mtp_weight_ = 0.0, lr_ = 0.0;
  std::vector<i32> tokens_, targets_;
  std::vector<i64> shape_;
};

INSTANTIATE_TEST_SUITE_P(Cases, TrainingGolden,
                         ::testing::Values("training_v3", "training_moonlight", "training_v2",
                                           "training_llama", "training_llama_tied",
                                           "training_qwen2", "training_qwen3"),
                         [](const auto& c) { return c.param; });

TEST_P(TrainingGolden, LossesAndEveryGradient) {
  TrainingModel model(backend::make_context(), config_, recipe_, sequences(), seq_len());
  for_each_isa([&](Ctx& ctx) {
    checkpoint::read_model_directory(ctx, config_, model.layout(), directory_, model.weights());
    StepStats stats(config_);
    model.begin_step(ctx);
    model.forward_backward(ctx, batch(0), scale(0), stats);
    const std::vector<double> nll = doubles("nll");
    EXPECT_NEAR(stats.nll / nll[0], 1.0, kLossTol);
    for (size_t k = 0; k < stats.mtp_nll.size(); ++k) {
      EXPECT_NEAR(stats.mtp_nll[k] / nll[k + 1], 1.0, kLossTol) << "module " << k;
    }
    EXPECT_NEAR(stats.balance_loss(), doubles("balance")[0], kLossTol);
    double worst = 0.0;
    i64 compared = 0;
    for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
      if (!slot.has_gradient) continue;
      const io::StoredTensor* stored = file_.find("grad." + slot.parameter.name);
      ASSERT_NE(stored, nullptr) << slot.parameter.name;
      std::vector<float> scratch;
      const double error =
          norm_error(part_of(model.gradients(), slot), stored->elements_as<float>(scratch));
      EXPECT_LE(error, kGradientTol) << slot.parameter.name;
      worst = std::max(worst, error);
      ++compared;
    }
    EXPECT_GT(compared, 10);
    RecordProperty(fmt::format("worst_gradient_{}", ctx.isa_name()), fmt::format("{:.1e}", worst));
  });
}

/// One clipped AdamW step on everything, as the golden file was made.
void optimise(Ctx& ctx, TrainingModel& model, double lr, i64 step, std::vector<float>& m,
              std::vector<float>& v) {
  const View<const float, 1> all(model.gradients().data(), {model.layout().size()});
  const double norm = std::sqrt(ops::sum_of_squares(ctx, all));
  for (const checkpoint::ParameterSlot& slot : model.layout().slots()) {
    if (!slot.has_gradient) continue;
    const i64 at = slot.offset, count = slot.parameter.elements();
    const ops::AdamWOptions options{
        .lr = lr,
        .weight_decay = slot.weight_decay ? 0.1 : 0.0,
        .step = step,
        .grad_scale = static_cast<float>(std::min(1.0, 1.0 / (norm + 1e-6)))};
    ops::adamw_step(ctx, View<float, 1>(model.weights().data() + at, {count}),
                    View<const float, 1>(model.gradients().data() + at, {count}),
                    View<float, 1>(m.data() + at, {count}), View<float, 1>(v.data() + at, {count}),
                    options);
  }
}

TEST_P(TrainingGolden, TenStepsOfAdamW) {
  TrainingModel model(backend::make_context(), config_, recipe_, sequences(), seq_len());
  const std::vector<double> want = doubles("losses");
  ASSERT_EQ(want.size(), 10u);
  for_each_isa([&](Ctx& ctx) {
    checkpoint::read_model_directory(ctx, config_, model.layout(), directory_, model.weights());
    const size_t size = static_cast<size_t>(model.layout().size());
    std::vector<float> m(size), v(size);
    for (i64 step = 0; step < 10; ++step) {
      StepStats stats(config_);
      const i64 index = step % shape_[0];
      model.begin_step(ctx);
      model.forward_backward(ctx, batch(index), scale(index), stats);
      EXPECT_NEAR(total_loss(stats, scale(index)) / want[static_cast<size_t>(step)], 1.0, kLossTol)
          << "step " << step;
      optimise(ctx, model, lr_, step + 1, m, v);
    }
  });
}

}  // namespace
}  // namespace fathom::model
