#pragma once
// Matrix products for training: fprop, dgrad and wgrad of every Linear run through one multiplier.
//
// An operand is packed first: rounded or quantised as the recipe says, and turned so that the
// summed axis K runs inside panels of 16 rows. One packed form serves as either operand, and a
// weight is packed once an optimizer step. Tile units (AMX) read a left operand by rows: what will
// only be a left operand should say so, or each product turns it.
//
//   fprop  y  [tokens, out] = x  [tokens, in]  . w  [out, in]^T     K = in
//   dgrad  dx [tokens, in]  = dy [tokens, out] . w^T [in, out]^T    K = out     (w transposed)
//   wgrad  dw [out, in]    += dy^T [out, tokens] . x^T [in, tokens]^T  K = tokens (both transposed)
#include <span>

#include "ops/ctx.h"
#include "tensor/saved_matrix.h"
#include "tensor/view.h"

namespace fathom::ops {

/// What a number of an operand is rounded to before it is multiplied.
enum class GemmFormat {
  kF32,   // nothing is rounded
  kBf16,  // to nearest even
  kE4m3,  // scaled to +-448, saturating
  kE5m2   // scaled to +-57344; for study: the paper uses E4M3 everywhere
};
/// Which numbers of an FP8 operand [rows, K] share a scale; always along the product's own K.
enum class GemmScaling {
  kTile,    // 1 x 128: activations and their gradients
  kBlock,   // 128 x 128: weights
  kRow,     // one a row: "per channel", for study
  kTensor,  // one for all, for study
};
/// Source: DeepSeek-V3 §3.3.2. Scales: amax / max, amax at least 1e-4.
struct GemmRounding {
  GemmFormat format = GemmFormat::kBf16;
  GemmScaling scaling = GemmScaling::kTile;
  bool power_of_2_scales = false;
  float static_amax = 0.0f;  // > 0: a fixed range instead of the numbers' own largest

  bool is_fp8() const { return format == GemmFormat::kE4m3 || format == GemmFormat::kE5m2; }
  bool operator==(const GemmRounding&) const = default;
};

/// A packed operand [rows, k]; non-owning. Panels of 16 rows, K padded with zeros.
///   bf16 (tables with bf16_dot): [ceil(rows/16), k_padded/2, 16, 2] u16
///   else f32:                    [ceil(rows/16), k_padded, 16] f32, rounded where asked
///   scale (FP8):                 [ceil(rows/16), k_padded/128, 16] f32, expanded to one a row
/// in_rows, a left operand's form:     [ceil(rows/16), k_padded/32, 16, 32] u16
/// FP8 numbers are held as BF16 or f32, which is exact, before their scale.
struct PackedMatrix {
  const void* data = nullptr;
  const float* scale = nullptr;
  i64 rows = 0;
  i64 k = 0;
  i64 k_padded = 0;  // a multiple of packed_k_multiple()
  bool is_bf16 = false;
  bool in_rows = false;  // only a product's a may be

  bool empty() const { return data == nullptr; }
};

/// What is packed: x or its transpose, of all rows or of chosen rows.
struct PackSource {
  SavedMatrix x;                      // of any saved format; an f32 view through the constructor
  i64 row_stride = 0;                 // elements; kF32 and kBf16 only, 0: contiguous
  std::span<const i32> row_ids = {};  // rows of x to take, in order; nullptr data: all
  bool transpose = false;             // false: packed [x rows, x cols]; true: [x cols, x rows]

  /// Only ever a product's a, which tables with tiles read by rows.
  bool left = false;

  PackSource() = default;
  PackSource(View<const float, 2> view, bool transposed = false, std::span<const i32> ids = {});
  explicit PackSource(const SavedMatrix& saved, bool transposed = false,
                      std::span<const i32> ids = {});
  PackSource as_left() const;
};

/// What K is padded to a multiple of: 128 for FP8, else what one step of the multiplier takes.
i64 packed_k_multiple(const Ctx& ctx, const GemmRounding& rounding);
/// Bytes of a packed [rows, k], data and scales, for storage that the caller owns.
i64 packed_bytes(const Ctx& ctx, i64 rows, i64 k, const GemmRounding& rounding);
/// Packs into `storage` of packed_bytes(); 64-byte aligned. Tiles saved as FP8 are dequantised and
/// quantised anew along the new K (1x128 to 128x1) if they are transposed. Throws InternalError on
/// a shape mismatch. CPU.
PackedMatrix pack(Ctx& ctx, const PackSource& source, const GemmRounding& rounding, u8* storage);
/// The same into scratch of the scope.
PackedMatrix pack(Ctx& ctx, Workspace::Scope& scope, const PackSource& source,
                  const GemmRounding& rounding);
/// Several at once, in one parallel region: the experts of a layer.
void pack_all(Ctx& ctx, std::span<const PackSource> sources, const GemmRounding& rounding,
              std::span<u8* const> storage, std::span<PackedMatrix> packed);

/// The most that packing takes of the workspace beside its result, for the number of threads there
/// is, less a few numbers a source: what a caller plans with.
i64 pack_scratch_bytes();

/// c[m, n] = sum_k a[m, k] b[n, k], or += if `accumulate`.
struct GemmJob {
  PackedMatrix a;    // [m, k]
  PackedMatrix b;    // [n, k]  packed by the same instruction set
  View<float, 2> c;  // [m, n] f32  rows may be strided; overlaps no other job's c
  bool accumulate = false;
};

/// How partial sums of FP8 products are kept, for study; the default is f32 throughout. Jobs
/// without scales do not look at it.
struct GemmAccumulator {
  /// Products summed before their sum is added to c in f32: even, at least 2. The scales are
  /// applied then, so each block of 128 ends a sum too; above 128 they are applied to each 32
  /// products.
  i64 promotion_interval = 128;
  /// Kept of the partial sum after each 32 products, by truncation: 13 for Hopper's short
  /// accumulator (ISCA §3.1).
  int mantissa_bits = 23;
};

/// Runs all jobs in one parallel region. Source: DeepSeek-V3 §3.3.2 for the scaled form: sums of
/// 128 products, times both scales, added in f32. Each c[m, n] is summed over k in an order that
/// depends on k, the formats and the ISA alone: bitwise the same for any thread count, and for any
/// other rows. Throws InternalError on a shape mismatch. CPU.
void gemm(Ctx& ctx, std::span<const GemmJob> jobs, const GemmAccumulator& accumulator = {});
/// Relative to the largest |c| for like-sized inputs, against the product of the rounded operands.
inline constexpr double kGemmRelTol = 5e-6;

/// Bytes of a saved matrix, data and scales.
i64 saved_matrix_bytes(SavedFormat format, i64 rows, i64 cols);
/// A saved matrix laid out in `storage` of saved_matrix_bytes(), 64-byte aligned; nothing is
/// written.
SavedMatrix saved_matrix_at(u8* storage, SavedFormat format, i64 rows, i64 cols);
/// saved = x [rows, cols] f32, rounded to the saved format.
void save_matrix(Ctx& ctx, View<const float, 2> x, const SavedMatrix& saved);
/// out [rows, cols] f32 overwritten: rows `row_ids` of saved; nullptr data: all in order.
void load_matrix(Ctx& ctx, const SavedMatrix& saved, View<float, 2> out,
                 std::span<const i32> row_ids = {});

}  // namespace fathom::ops
