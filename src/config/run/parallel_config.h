#pragma once
// How a run lies over the ranks that it is started on. The number of ranks is the launcher's
// (--ranks, mpirun); this says what they are for.
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

enum class WireFormat { kF32, kBf16, kFp8 };
inline constexpr std::array<std::pair<WireFormat, std::string_view>, 3> kWireFormatNames = {{
    {WireFormat::kF32, "f32"},
    {WireFormat::kBf16, "bf16"},
    {WireFormat::kFp8, "fp8"},
}};

enum class PipelineSchedule { k1F1B, kInterleaved, kZbH1, kDualPipe, kDualPipeV };
inline constexpr std::array<std::pair<PipelineSchedule, std::string_view>, 5>
    kPipelineScheduleNames = {{
        {PipelineSchedule::k1F1B, "1f1b"},
        {PipelineSchedule::kInterleaved, "interleaved"},
        {PipelineSchedule::kZbH1, "zb-h1"},
        {PipelineSchedule::kDualPipe, "dualpipe"},
        {PipelineSchedule::kDualPipeV, "dualpipev"},
    }};

enum class GradientReduction { kRankOrder, kAnyLayout };
inline constexpr std::array<std::pair<GradientReduction, std::string_view>, 2>
    kGradientReductionNames = {{
        {GradientReduction::kRankOrder, "rank-order"},
        {GradientReduction::kAnyLayout, "any-layout"},
    }};

enum class CommEngine { kAuto, kThreads, kMpi, kNccl };
inline constexpr std::array<std::pair<CommEngine, std::string_view>, 4> kCommEngineNames = {{
    {CommEngine::kAuto, "auto"},
    {CommEngine::kThreads, "threads"},
    {CommEngine::kMpi, "mpi"},
    {CommEngine::kNccl, "nccl"},
}};

/// [parallel]
struct ParallelConfig {
  i64 pipeline_ranks = 1;
  PipelineSchedule schedule = PipelineSchedule::k1F1B;
  i64 pipeline_chunks = 1;
  bool overlap = true;
  i64 expert_ranks = 1;
  WireFormat wire = WireFormat::kBf16;
  i64 round_tokens = 512;
  double expert_room = 0.0;
  GradientReduction reduction = GradientReduction::kRankOrder;
  CommEngine engine = CommEngine::kAuto;
  i64 ranks_per_node = 0;
  double deadline_s = 600.0;
  bool check_calls = false;
  i64 check_every = 100;
  i64 trace_step = 0;

  void list_fields(FieldList& list);
};

}  // namespace fathom
