#pragma once
// For instruction sets without dot products of BF16 pairs and bytes: both are widened and multiplied
// as f32.

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct DotBf16 {
  static constexpr bool kAvailable = false;
};
struct DotInt8 {
  static constexpr bool kAvailable = false;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
