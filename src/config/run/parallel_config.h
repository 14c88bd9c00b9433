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

/// [parallel]
struct ParallelConfig {
  i64 expert_ranks = 1;
  WireFormat wire = WireFormat::kBf16;
  i64 round_tokens = 512;
  double expert_room = 0.0;
  i64 check_every = 100;

  void list_fields(FieldList& list);
};

}  // namespace fathom
