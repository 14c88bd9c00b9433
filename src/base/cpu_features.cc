#include "base/cpu_features.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "base/types.h"

namespace fathom {
namespace {

struct Cpuid {
  u32 a = 0, b = 0, c = 0, d = 0;
};

Cpuid cpuid(u32 leaf, u32 subleaf = 0) {
  Cpuid r;
  if (__get_cpuid_count(leaf, subleaf, &r.a, &r.b, &r.c, &r.d) == 0) return {};
  return r;
}

constexpr bool bit(u32 word, int index) { return ((word >> index) & 1u) != 0; }

/// XCR0: which register states the operating system saves. Needs OSXSAVE.
u64 read_xcr0() {
  u32 low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<u64>(high) << 32) | low;
}

/// Linux gives a process tile registers only if it asks for them, once for all its threads: each
/// then needs 8 KiB more for its state.
bool request_tiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures detect() {
  CpuFeatures f;
  const Cpuid leaf1 = cpuid(1), leaf7 = cpuid(7), leaf7_1 = cpuid(7, 1);
  if (!bit(leaf1.c, 27)) return f;  // no OSXSAVE: the OS saves no AVX state at all
  const u64 xcr0 = read_xcr0();
  const bool ymm = (xcr0 & 0x6) == 0x6;
  const bool zmm = (xcr0 & 0xe6) == 0xe6;
  const bool tiles = (xcr0 & 0x60000) == 0x60000;
  f.avx2 = ymm && bit(leaf7.b, 5) && bit(leaf1.c, 12) && bit(leaf1.c, 29);
  f.avx512 =
      f.avx2 && zmm && bit(leaf7.b, 16) && bit(leaf7.b, 30) && bit(leaf7.b, 17) && bit(leaf7.b, 31);
  f.avx512_vnni = f.avx512 && bit(leaf7.c, 11);
  f.avx512_vbmi = f.avx512 && bit(leaf7.c, 1);
  f.avx512_bf16 = f.avx512 && bit(leaf7_1.a, 5);
  f.amx = tiles && bit(leaf7.d, 22) && bit(leaf7.d, 24) && bit(leaf7.d, 25) && request_tiles();
  return f;
}

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_brand() {
  if (cpuid(0x80000000u).a < 0x80000004u) return "unknown";
  std::array<char, 49> text{};
  for (size_t i = 0; i < 3; ++i) {
    const Cpuid r = cpuid(0x80000002u + static_cast<u32>(i));
    const std::array<u32, 4> words = {r.a, r.b, r.c, r.d};
    std::memcpy(text.data() + 16 * i, words.data(), 16);
  }
  const std::string brand(text.data());
  const size_t start = brand.find_first_not_of(' ');
  return start == std::string::npos ? "unknown" : brand.substr(start);
}

}  // namespace fathom
