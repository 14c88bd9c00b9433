// Steady-state decoding and training allocate nothing. This file replaces the whole test binary's
// operator new by one that counts; not under a sanitizer, which brings its own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FATHOM_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FATHOM_TEST_SANITIZED
#endif
#endif

#include <atomic>
#include <cstdlib>
#include <new>

#include "backend/backend.h"
#include "model/test_support.h"
#include "model/training/training_test_support.h"

namespace {

std::atomic<fathom::i64> num_allocations = 0;

#ifndef FATHOM_TEST_SANITIZED
void* counted(std::size_t size_bytes, std::size_t alignment) {
  ++num_allocations;
  const std::size_t rounded = (size_bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

#endif

}  // namespace

#ifndef FATHOM_TEST_SANITIZED
// Where GCC inlines one operator of a pair and not the other, it takes them for mismatched.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
void* operator new(std::size_t size) { return counted(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif

namespace fathom::model {
namespace {

class Allocation : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef FATHOM_TEST_SANITIZED
    GTEST_SKIP() << "the sanitizer's operator new does not count";
#endif
  }
};

/// 20 steps of two sequences after 3 steps of warming up; `mtp`: drafts with the MTP module too.
void decode(Ctx& ctx, const Model& model, const RunOptions& options, ops::CacheDType dtype,
            bool mtp) {
  std::vector<KvCache> caches;
  caches.reserve(2);
  for (int i = 0; i < 2; ++i) caches.emplace_back(model.config(), dtype, 64, mtp ? 1 : 0);
  std::vector<i32> next = {1, 2};
  Tensor<float> logits = new_logits(model, 2), draft = new_logits(model, 2);
  Tensor<float> hidden({2, model.config().hidden_size});
  const std::vector<SequenceStep> steps = {{.token_ids = {&next[0], 1}, .cache = &caches[0]},
                                           {.token_ids = {&next[1], 1}, .cache = &caches[1]}};
  std::vector<MtpStep> drafts(2);
  const i64 vocab = model.config().vocab_size;
  i64 before = 0, workspace_before = 0;
  for (i64 i = 0; i < 23; ++i) {
    if (i == 3) {
      before = num_allocations;
      workspace_before = ctx.workspace().capacity_bytes();
    }
    model.forward(ctx, steps, options, logits.v<2>(), hidden.v<2>());
    for (size_t s = 0; s < 2; ++s) {
      const float* row = logits.v<2>().row(static_cast<i64>(s));
      next[s] = argmax({row, static_cast<size_t>(vocab)});
      drafts[s] = {.next_tokens = {&next[s], 1}, .positions_begin = i, .cache = &caches[s]};
    }
    if (mtp) model.mtp_forward(ctx, drafts, options, hidden.v<2>(), draft.v<2>());
  }
  EXPECT_EQ(num_allocations - before, 0);
  EXPECT_EQ(ctx.workspace().capacity_bytes(), workspace_before);
}

TEST_F(Allocation, TheCounterCounts) {
  const i64 before = num_allocations;
  const std::vector<int> one(1000);
  EXPECT_EQ(num_allocations - before, 1);
  EXPECT_EQ(one.size(), 1000u);
}

TEST_F(Allocation, SteadyDecodingAllocatesNothing) {
  using enum ops::Activations;
  for (const std::string& name : golden_cases()) {
    SCOPED_TRACE(name);
    const Golden golden(name);
    for (const ops::Activations activations : {kF32, kBf16, kFp8}) {
      for (const MlaForm form : {MlaForm::kAuto, MlaForm::kExpanded}) {
        for (const auto dtype : {ops::CacheDType::kBf16, ops::CacheDType::kFp8}) {
          Ctx ctx = backend::make_context();
          decode(ctx, golden.model(), {.activations = activations, .mla_form = form}, dtype,
                 golden.model().num_mtp() > 0);
        }
      }
    }
  }
}

/// The same for training: a step of two micro-batches, with everything on.
TEST_F(Allocation, WarmTrainingStepsAllocateNothing) {
  const ModelConfig config = small_v3();
  const BatchData data(config, 4, 16);
  for (const TrainPrecision mode :
       {TrainPrecision::kF32, TrainPrecision::kBf16, TrainPrecision::kFp8}) {
    TrainingRecipe recipe;
    recipe.precision.mode = mode;
    recipe.balance.batch_aux_loss_weight = 0.1;
    recipe.balance.expert_aux_loss_weight = 0.1;
    recipe.balance.capacity_factor = 1.0;
    Ctx ctx = backend::make_context();
    TrainingModel model(ctx, config, recipe, 2, 16);
    randomise(ctx, model);
    StepStats stats(config);
    const LossScale scale{.targets = 64, .sequences = 4, .mtp_weight = 0.3};
    i64 before = 0, workspace_before = 0;
    for (i64 step = 0; step < 5; ++step) {
      if (step == 3) {
        before = num_allocations;
        workspace_before = ctx.workspace().capacity_bytes();
      }
      stats.clear();
      model.begin_step(ctx);
      for (i64 s = 0; s < 4; s += 2) model.count_experts(ctx, data.batch(s, 2));
      for (i64 s = 0; s < 4; s += 2) model.forward_backward(ctx, data.batch(s, 2), scale, stats);
      model.forward_only(ctx, data.batch(0, 2), stats);
    }
    EXPECT_EQ(num_allocations - before, 0);
    EXPECT_EQ(ctx.workspace().capacity_bytes(), workspace_before);
  }
}

}  // namespace
}  // namespace fathom::model
