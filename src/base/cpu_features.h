#pragma once
// What this CPU *and this operating system* can run. The OS must save the wide registers on a
// context switch (XCR0), or AVX instructions fault although CPUID lists them.
#include <string>

namespace fathom {

struct CpuFeatures {
  bool avx2 = false;         // AVX2, FMA and F16C, ymm state saved by the OS
  bool avx512 = false;       // F, BW, DQ, VL; zmm and mask state saved by the OS
  bool avx512_bf16 = false;  // VDPBF16PS
  bool avx512_vnni = false;
  bool avx512_vbmi = false;  // byte permutes
  bool amx = false;          // tiles of BF16 and INT8; the OS saves them and lets us use them
};

/// Detected once, on first use. Thread-safe.
const CpuFeatures& cpu_features();

/// The CPU's brand string, e.g. "AMD EPYC 9R14", or "unknown".
std::string cpu_brand();

}  // namespace fathom
