#pragma once
#include <span>
#include <vector>

#include "config/run/distill_config.h"
#include "model/training/training_batch.h"
#include "posttrain/distill/teacher_row.h"

namespace fathom::posttrain {

/// Per target, with T the temperature and a = nll_weight:
///   L = w [ (1 - a) T^2 D(teacher_T, student_T) + a nll ]
///   dL / dlogits = w [ (1 - a) T dD/d(logits / T) + a (softmax(logits) - [v == target]) ]
/// w comes from `weights`, a mean over tokens or samples. Ids that no token has are in neither
/// distribution that D compares.
class DistillLoss : public model::HeadObjective {
 public:
  /// `num_ids`: of the tokenizer.
  DistillLoss(const DistillConfig& config, i64 num_ids) : config_(config), num_ids_(num_ids) {}

  void begin_step() { divergence_ = 0.0, targets_ = 0; }
  /// `rows` [positions of the micro-batch]: of the store; read at targets only.
  void begin_batch(model::TokenObjective& weights, const TeacherRows& store,
                   std::span<const i64> rows) {
    weights_ = &weights;
    store_ = &store;
    rows_ = rows;
  }
  void differentiate(Ctx& ctx, i64 first, View<const i32, 1> targets, View<float, 2> logits,
                     View<double, 1> nll, View<i32, 1> largest) override;

  /// Mean over the targets since begin_step(), without T^2.
  double mean_divergence() const {
    return targets_ == 0 ? 0.0 : divergence_ / static_cast<double>(targets_);
  }

 private:
  struct Row {
    i64 position = 0;
    i32 target = 0;
    std::span<const float> logits;
    std::span<float> log_probs, slopes;  // [vocab]
    double divergence = 0.0;
  };
  /// slopes: dL / dlogits without w. Returns nll.
  double differentiate(Row& row) const;

  DistillConfig config_;
  i64 num_ids_;
  model::TokenObjective* weights_ = nullptr;
  const TeacherRows* store_ = nullptr;
  std::span<const i64> rows_;
  double divergence_ = 0.0;
  i64 targets_ = 0;
};

}  // namespace fathom::posttrain
