#pragma once
// The list of instruction sets, best first, and the choice among them.
#include <span>
#include <string>
#include <string_view>

#include "base/cpu_features.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::kernels::cpu {

/// One entry of the list.
struct IsaChoice {
  const IsaTable* table;
  bool (*runs_on)(const CpuFeatures&);  // true if the CPU and its operating system can run it
  const char* needs;                    // for messages
};

/// All ISAs of this build, best first; the last one runs everywhere.
std::span<const IsaChoice> isa_choices();

/// The named ISA, or the best one if `name` is empty. Throws Error{kInvalidInput} that lists the
/// names for an unknown one, Error{kUnsupported} for one that `features` lack.
const IsaTable& choose_isa(std::string_view name, const CpuFeatures& features);

}  // namespace fathom::kernels::cpu
