#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"

namespace fathom::backend::cpu {
namespace {

/// Shares of the full scale that 4-bit groups try.
constexpr std::array<float, 7> kShares = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f, 0.75f, 0.7f};

/// Rounds to the nearest integer, ties to even, for |x| < 2^22: without a call, so that it
/// vectorises.
float nearest(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

struct CodeRange {
  float min, max;
  explicit CodeRange(int bits)
      : min(-static_cast<float>(1 << (bits - 1))), max(static_cast<float>((1 << (bits - 1)) - 1)) {}
  float code(float x, float inverse) const { return std::clamp(nearest(x * inverse), min, max); }
};

double squared_error(const float* x, i64 n, float scale, const CodeRange& range) {
  const float inverse = 1.0f / scale;
  float sum = 0.0f;
  for (i64 i = 0; i < n; ++i) {
    const float error = x[i] - scale * range.code(x[i], inverse);
    sum += error * error;
  }
  return static_cast<double>(sum);
}

/// The scale of one group; 1 for a group of zeros.
Bf16 group_scale(const float* x, i64 n, int bits) {
  const CodeRange range(bits);
  float amax = 0.0f;
  for (i64 i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return Bf16(std::numeric_limits<float>::quiet_NaN());
    amax = std::max(amax, std::abs(x[i]));
  }
  // Below the smallest normal number the codes would be NaN: 0 / 0.
  const float full = amax / (range.max + 0.5f);
  if (!(full >= std::numeric_limits<float>::min())) return Bf16(1.0f);
  if (bits == 8) return Bf16(full);
  Bf16 best(full);
  double least = std::numeric_limits<double>::infinity();
  for (const float share : kShares) {
    const Bf16 candidate(full * share);
    const double error = squared_error(x, n, static_cast<float>(candidate), range);
    if (error >= least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

void quantize_row(const float* x, i64 cols, int bits, i64 group, u32* packed, Bf16* scale) {
  const CodeRange range(bits);
  const i64 per_word = 32 / bits;
  const u32 zero_code = 1u << (bits - 1);
  for (i64 word = 0; word < ceil_div(cols, per_word); ++word) {
    u32 codes = 0;
    for (i64 i = 0; i < per_word; ++i) {
      const i64 col = word * per_word + i;
      u32 code = zero_code;
      if (col < cols) {
        if (col % group == 0) {
          scale[col / group] = group_scale(x + col, std::min(group, cols - col), bits);
        }
        const float s = static_cast<float>(scale[col / group]);
        if (s == s) {
          const float signed_code = range.code(x[col], 1.0f / s);
          code = static_cast<u32>(static_cast<i32>(signed_code) + static_cast<i32>(zero_code));
        }
      }
      codes |= code << (i * bits);
    }
    packed[word] = codes;
  }
}

void quantize_groups(Ctx&, const device::QuantizeGroups& op) {
  const i64 cols = op.x.dim(1);
  for_rows(op.x.dim(0), cols * 16, [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) {
      quantize_row(op.x.row(r), cols, op.bits, op.group, op.packed.row(r), op.scale.row(r));
    }
  });
}

}  // namespace

void set_quantize_groups(device::OpTable& table) { table.set(quantize_groups); }

}  // namespace fathom::backend::cpu
