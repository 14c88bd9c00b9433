#include "backend/backend.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cpu/threads.h"
#include "base/error.h"
#include "device/run.h"
#include "kernels/cpu/isa/dispatch.h"
#include "testing/for_each_isa.h"

namespace fathom {
namespace {

using kernels::cpu::choose_isa;
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
  EXPECT_STREQ(backend::make_context().isa_name(), "scalar");
  ::setenv("FATHOM_CPU_ISA", "mmx", 1);
  EXPECT_THROW(backend::make_context(), Error);
  ::unsetenv("FATHOM_CPU_ISA");
  EXPECT_STREQ(backend::make_context().isa_name(), choose_isa("", cpu_features()).name);
}

TEST(Ctx, DeviceThatIsNotThereIsRefusedByName) {
  try {
    backend::make_context(Device::kCuda);
    GTEST_SKIP() << "a CUDA build on a machine with a device";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr("device cuda: this "));
  }
}

// A device that has none of the ops.
TEST(OpTable, MissingOpIsRefusedByName) {
  const device::OpTable empty;
  Ctx ctx({.device = Device::kCuda, .ops = &empty});
  const auto refusal_of = [](const auto& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
      return error.message();
    }
    return std::string("ran");
  };
  EXPECT_EQ(refusal_of([&] { run(ctx, device::RmsNormBackward{}); }),
            "rmsnorm_backward on device cuda: there is no CUDA kernel for it yet");
  EXPECT_EQ(refusal_of([&] { ask(ctx, device::PackedLayoutOf{}); }),
            "packed_layout on device cuda: there is no CUDA kernel for it yet");
  EXPECT_FALSE(device::has<device::RmsNormBackward>(ctx));
}

// The table of a build without CUDA names the ops that have a kernel, but none is linked: whoever
// makes a context by hand must not take an untouched result for one.
TEST(OpTable, AKernelThatThisBuildLacksIsRefused) {
  Ctx ctx({.device = Device::kCuda, .ops = &backend::op_table(Device::kCuda)});
  try {
    backend::make_context(Device::kCuda);
    GTEST_SKIP() << "a CUDA build on a machine with a device";
  } catch (const Error& error) {
    if (error.message().find("this build") == std::string::npos) GTEST_SKIP() << error.message();
  }
  EXPECT_THROW(run(ctx, device::RmsNormForward{}), Error);
}

TEST(Ctx, HasNoCpuKernelsOnAnotherDevice) {
  const Ctx ctx({.device = Device::kCuda, .ops = &backend::op_table(Device::kCuda)});
  EXPECT_THROW((void)ctx.isa(), InternalError);
}

TEST(OpTable, TheCpuHasEveryOp) {
  backend::op_table(Device::kCpu).for_each([](const char* op, bool is_there) {
    EXPECT_TRUE(is_there) << op;
  });
}

constexpr std::string_view kDocsBegin = "<!-- ops by device, from the tables: begin -->\n";
constexpr std::string_view kDocsEnd = "<!-- ops by device: end -->";

/// A row an op, a column a device.
std::string table_for_docs() {
  std::vector<std::string> on_cuda;
  backend::op_table(Device::kCuda).for_each([&](const char*, bool is_there) {
    on_cuda.push_back(is_there ? "yes" : "refused");
  });
  std::string text = "| op | cpu | cuda |\n|---|---|---|\n";
  size_t row = 0;
  backend::op_table(Device::kCpu).for_each([&](const char* op, bool is_there) {
    text += std::string("| `") + op + "` | " + (is_there ? "yes" : "refused") + " | " +
            on_cuda[row++] + " |\n";
  });
  return text;
}

// FATHOM_UPDATE_DOCS=1 writes the table instead.
TEST(OpTable, DocsShowWhatTheTablesHold) {
  const std::string path = FATHOM_SOURCE_DIR "/docs/ops.md";
  std::string text = (std::ostringstream() << std::ifstream(path).rdbuf()).str();
  const size_t begin = text.find(kDocsBegin), end = text.find(kDocsEnd);
  ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end) << path;
  const size_t first = begin + kDocsBegin.size();
  if (std::getenv("FATHOM_UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << text.replace(first, end - first, table_for_docs());
    return;
  }
  EXPECT_EQ(text.substr(first, end - first), table_for_docs())
      << path << ": run this test with FATHOM_UPDATE_DOCS=1";
}

TEST(OpTable, NoTwoOpsShareAName) {
  std::set<std::string> names;
  backend::op_table(Device::kCpu).for_each([&](const char* op, bool) {
    EXPECT_TRUE(names.insert(op).second) << op;
  });
}

// Whoever runs the largest unit: all threads have room for it from then on.
TEST(Ctx, UnitsHaveAWorkspaceEachThatStopsGrowing) {
  Ctx ctx = backend::make_context();
  for (const int threads : {1, 2, 3}) {
    const testing::ScopedThreads scoped(threads);
    for (int step = 0; step < 3; ++step) {
      backend::cpu::for_units(ctx, 12, [&](Ctx& thread, i64 unit) {
        EXPECT_EQ(thread.workspace().used_bytes(), 0);
        Workspace::Scope scope(thread.workspace());
        const i64 capacity = thread.workspace().capacity_bytes();
        scope.alloc<float>((unit + 1) << 18);
        if (step > 0) {
          EXPECT_EQ(thread.workspace().capacity_bytes(), capacity);
        }
      });
    }
  }
  EXPECT_EQ(ctx.workspace().high_water_bytes(), 0);  // theirs, not the caller's
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
