#pragma once
// Rows on their way between ranks.
#include <span>

#include "base/types.h"
#include "config/run/parallel_config.h"
#include "tensor/saved_matrix.h"
#include "tensor/view.h"

namespace fathom::model {

/// How rows travel to the experts and back.
///   kF32   f32 both ways, and back one row an expert: sums run exactly as on one rank
///   kBf16  BF16 both ways; back one row a rank, its experts added in f32
///   kFp8   to the experts E4M3 in tiles of 1x128, their scales powers of two (one byte, UE8M0;
///          DeepSeek-V3 §3.3.2); back as kBf16
enum class ExpertWire { kF32, kBf16, kFp8 };
ExpertWire expert_wire(WireFormat configured);

/// In which form rows lie where they arrive: the wire's own numbers.
SavedFormat received_format(ExpertWire wire);

/// Bytes of a row on the way.
i64 wire_row_bytes(SavedFormat format, i64 cols);

/// Rows `tokens` of x [tokens, cols] f32 into `out`, tokens.size() * wire_row_bytes(): all rows'
/// numbers, then all rows' scales.
void encode_rows(SavedFormat format, View<const float, 2> x, std::span<const i32> tokens, u8* out);
/// The inverse: `count` rows into rows [begin, begin + count) of `rows`.
void decode_rows(const u8* in, i64 count, i64 begin, const SavedMatrix& rows);

/// y [cols] f32 += a row of BF16 numbers, which may lie anywhere.
void add_bf16(const u8* in, float* y, i64 cols);

}  // namespace fathom::model
