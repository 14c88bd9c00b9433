#pragma once
// Where the time of steps goes, and which bytes they read.
#include <array>
#include <string_view>

#include "base/types.h"

namespace fathom::model {

/// Where the time of steps goes; what is in none of the parts (norms, residuals, embedding,
/// packing) is the rest.
enum class StepPart { kAttention, kExperts, kDenseFfn, kHead };
inline constexpr int kNumStepParts = 4;
std::string_view to_string(StepPart part);  // "experts"

struct StepProfile {
  std::array<double, kNumStepParts> seconds{};
  i64 experts_read = 0;  // distinct routed experts that had a token, summed over layers and steps
};

/// Bytes of weights that steps read, scales included, by where they lie; the embedding's rows and
/// the MTP module do not count.
struct ReadBytes {
  std::array<i64, kNumStepParts> every_step{};  // all but the routed experts
  i64 routed_expert = 0;                        // one of one layer, on average over the layers
};

}  // namespace fathom::model
