#include "kernels/cpu/dispatch.h"

#include <array>

#include "base/error.h"

namespace fathom::kernels::cpu {

namespace scalar {
extern const IsaTable kTable;
}
namespace avx2 {
extern const IsaTable kTable;
}
namespace avx512 {
extern const IsaTable kTable;
}
namespace avx512_bf16 {
extern const IsaTable kTable;
}

std::span<const IsaChoice> isa_choices() {
  // VBMI goes with BF16 from Ice Lake's successors and Zen 4 on; the one CPU that has BF16 alone
  // (Cooper Lake) takes the plain AVX-512 set.
  static const std::array<IsaChoice, 4> choices = {{
      {&avx512_bf16::kTable,
       [](const CpuFeatures& f) { return f.avx512_bf16 && f.avx512_vbmi && f.avx512_vnni; },
       "AVX-512 F, BW, DQ, VL, VNNI, VBMI and BF16"},
      {&avx512::kTable, [](const CpuFeatures& f) { return f.avx512; }, "AVX-512 F, BW, DQ and VL"},
      {&avx2::kTable, [](const CpuFeatures& f) { return f.avx2; }, "AVX2, FMA and F16C"},
      {&scalar::kTable, [](const CpuFeatures&) { return true; }, "nothing"},
  }};
  return choices;
}

const IsaTable& choose_isa(std::string_view name, const CpuFeatures& features) {
  std::string names;
  for (const IsaChoice& choice : isa_choices()) {
    names += (names.empty() ? "" : ", ") + std::string(choice.table->name);
    if (name.empty() ? !choice.runs_on(features) : name != choice.table->name) continue;
    if (!choice.runs_on(features)) {
      throw Error(ErrorCode::kUnsupported, "FATHOM_CPU_ISA=" + std::string(name) + " needs " +
                                               choice.needs +
                                               ", which this CPU or its operating system lacks");
    }
    return *choice.table;
  }
  throw Error(ErrorCode::kInvalidInput,
              "FATHOM_CPU_ISA=" + std::string(name) +
                  " is no instruction set of this build: expected one of " + names);
}

}  // namespace fathom::kernels::cpu
