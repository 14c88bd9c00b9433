#include "ops/ctx.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/error.h"
#include "kernels/cpu/isa/dispatch.h"
#include "ops/linear.h"
#include "ops/moe.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom {
namespace {

using kernels::cpu::choose_isa;
using kernels::cpu::isa_choices;
using ::testing::HasSubstr;

std::string refusal(std::string_view name, const CpuFeatures& features, ErrorCode code) {
  try {
    choose_isa(name, features);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.message();
  }
  return "accepted";
}

TEST(Dispatch, TakesTheBestSetThatTheCpuHas) {
  CpuFeatures f;
  EXPECT_STREQ(choose_isa("", f).name, "scalar");
  f.avx2 = true;
  EXPECT_STREQ(choose_isa("", f).name, "avx2");
  f.avx512 = true;
  f.avx512_bf16 = true;  // Cooper Lake: no VBMI
  f.avx512_vnni = true;
  EXPECT_STREQ(choose_isa("", f).name, "avx512");
  f.avx512_vbmi = true;
  EXPECT_STREQ(choose_isa("", f).name, "avx512_bf16");
  f.amx = true;
  EXPECT_STREQ(choose_isa("", f).name, "amx");
  f.avx512_vbmi = false;  // the vectors beside the tiles need it
  EXPECT_STREQ(choose_isa("", f).name, "avx512");
  EXPECT_STREQ(choose_isa("avx2", f).name, "avx2");
}

TEST(Dispatch, RefusesWhatTheCpuLacksAndWhatNobodyHas) {
  CpuFeatures f;
  f.avx2 = true;
  EXPECT_THAT(refusal("avx512", f, ErrorCode::kUnsupported),
              HasSubstr("FATHOM_CPU_ISA=avx512 needs AVX-512 F, BW, DQ and VL"));
  EXPECT_THAT(refusal("sse9", f, ErrorCode::kInvalidInput),
              HasSubstr("expected one of amx, avx512_bf16, avx512, avx2, scalar"));
}

TEST(Ctx, FollowsTheEnvironment) {
  ::setenv("FATHOM_CPU_ISA", "scalar", 1);
  EXPECT_STREQ(Ctx().isa_name(), "scalar");
  ::setenv("FATHOM_CPU_ISA", "mmx", 1);
  EXPECT_THROW(Ctx(), Error);
  ::unsetenv("FATHOM_CPU_ISA");
  EXPECT_STREQ(Ctx().isa_name(), choose_isa("", cpu_features()).name);
}

TEST(Ctx, DeviceWithoutKernelsIsRefusedByName) {
  try {
    Ctx ctx(Device::kCuda);
    // A CUDA build on a machine with a device: other ops still refuse by name.
    testing::Tensor<float> x({1, 1}), w({1, 1}), y({1, 1});
    ops::linear_forward(ctx, x.v<2>(), MatRef(w.v<2>()), y.v<2>(), ops::Activations::kF32);
    FAIL() << "ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr("cuda"));
  }
}

// Whoever runs the largest unit: all workers have room for it from then on.
TEST(Ctx, UnitsHaveAWorkspaceEachThatStopsGrowing) {
  Ctx ctx;
  for (const int threads : {1, 2, 3}) {
    const testing::ScopedThreads scoped(threads);
    for (int step = 0; step < 3; ++step) {
      ctx.for_units(12, [&](Ctx& worker, i64 unit) {
        EXPECT_EQ(worker.workspace().used_bytes(), 0);
        Workspace::Scope scope(worker.workspace());
        const i64 capacity = worker.workspace().capacity_bytes();
        scope.alloc<float>((unit + 1) << 18);
        if (step > 0) {
          EXPECT_EQ(worker.workspace().capacity_bytes(), capacity);
        }
      });
    }
  }
  EXPECT_EQ(ctx.workspace().high_water_bytes(), 0);  // theirs, not the caller's
}

// Scratch goes back when an op returns, and a second call of a shape grows nothing.
TEST(Ctx, OpsReturnTheirScratch) {
  testing::for_each_isa([](Ctx& ctx) {
    const auto x = testing::normal<float>({40, 300}), gate = testing::normal<float>({70, 300});
    const auto down = testing::normal<float>({300, 70});
    testing::Tensor<float> y({40, 300}), weights({40, 1});
    testing::Tensor<i32> indices({40, 1});
    const ops::FfnWeights expert{MatRef(gate.v<2>()), MatRef(gate.v<2>()), MatRef(down.v<2>())};
    i64 grown = 0;
    for (int call = 0; call < 2; ++call) {
      ops::moe_experts_forward(ctx, x.v<2>(), {&expert, 1}, indices.v<2>(), weights.v<2>(),
                               y.v<2>(), ops::Activations::kF32);
      EXPECT_EQ(ctx.workspace().used_bytes(), 0);
      if (call > 0) {
        EXPECT_EQ(ctx.workspace().capacity_bytes(), grown);
      }
      grown = ctx.workspace().capacity_bytes();
    }
    EXPECT_GE(ctx.workspace().high_water_bytes(), 40 * 2 * 70 * 4);
  });
}

TEST(ForEachIsa, RunsEverySetThatThisCpuHasAndAlwaysScalar) {
  std::string run;
  testing::for_each_isa(
      [&](Ctx& ctx) { run += (run.empty() ? "" : " ") + std::string(ctx.isa_name()); });
  EXPECT_EQ(run, testing::isa_names());
  EXPECT_THAT(run, ::testing::EndsWith("scalar"));
}

}  // namespace
}  // namespace fathom
