#include "kernels/cpu/isa/dispatch.h"

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
namespace amx {
extern const CausalAttentionTable kCausalAttentionTable;
extern const GemmTable kGemmTable;
extern const LatentAttentionTable kLatentAttentionTable;
extern const PrefillAttentionTable kPrefillAttentionTable;
extern const PrefillLinearTable kPrefillLinearTable;
extern const PeakKernel kPeakBf16Tiles, kPeakInt8Tiles;
}  // namespace amx

namespace {

/// AMX multiplies tiles and nothing else: what has no tiles is avx512_bf16's.
const IsaTable& amx_table() {
  static const IsaTable table = [] {
    IsaTable t = avx512_bf16::kTable;
    t.name = "amx";
    t.peak_bf16 = amx::kPeakBf16Tiles;
    t.peak_int8 = amx::kPeakInt8Tiles;
    t.prefill_linear = &amx::kPrefillLinearTable;
    t.latent_attention = &amx::kLatentAttentionTable;
    t.prefill_attention = &amx::kPrefillAttentionTable;
    t.causal_attention = &amx::kCausalAttentionTable;
    t.gemm = &amx::kGemmTable;
    return t;
  }();
  return table;
}

bool has_bf16_and_bytes(const CpuFeatures& f) {
  return f.avx512_bf16 && f.avx512_vbmi && f.avx512_vnni;
}

}  // namespace

std::span<const IsaChoice> isa_choices() {
  // VBMI goes with BF16 from Ice Lake's successors and Zen 4 on; the one CPU that has BF16 alone
  // (Cooper Lake) takes the plain AVX-512 set.
  static const std::array<IsaChoice, 5> choices = {{
      {&amx_table(), [](const CpuFeatures& f) { return f.amx && has_bf16_and_bytes(f); },
       "AMX with BF16 and INT8, and AVX-512 F, BW, DQ, VL, VNNI, VBMI and BF16"},
      {&avx512_bf16::kTable, has_bf16_and_bytes, "AVX-512 F, BW, DQ, VL, VNNI, VBMI and BF16"},
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
