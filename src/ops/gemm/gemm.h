#pragma once
// Matrix products for training: fprop, dgrad and wgrad of every Linear run through one multiplier.
//
// An operand is packed first: rounded or quantised as the recipe says, and transposed where needed,
// so that the summed axis K runs inside. One packed form serves as either operand, and a weight is
// packed once an optimizer step. Tile units (AMX) read a left operand by rows: what will only be a
// left operand should say so, or each product transposes it.
//
//   fprop  y  [tokens, out] = x  [tokens, in]  . w  [out, in]^T     K = in
//   dgrad  dx [tokens, in]  = dy [tokens, out] . w^T [in, out]^T    K = out     (w transposed)
//   wgrad  dw [out, in]    += dy^T [out, tokens] . x^T [in, tokens]^T  K = tokens (both transposed)
#include <span>

#include "device/ctx.h"
#include "device/gemm.h"
#include "tensor/saved_matrix.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::GemmAccumulator;
using device::GemmFormat;
using device::GemmJob;
using device::GemmRounding;
using device::GemmScaling;
using device::PackedMatrix;
using device::PackSource;

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
i64 pack_scratch_bytes(const Ctx& ctx);

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
