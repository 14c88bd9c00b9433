#pragma once
// For instruction sets without BF16 dot products: BF16 numbers are widened and multiplied as f32.

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct DotBf16 {
  static constexpr bool kAvailable = false;
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
