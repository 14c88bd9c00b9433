#include "model/exchange/expert_wire.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/parallel.h"
#include "tensor/bf16.h"
#include "tensor/fp8.h"

namespace fathom::model {
namespace {

constexpr i64 kRowsAtATime = 8;

i64 number_bytes(SavedFormat format, i64 cols) {
  return SavedMatrix::saved_row_bytes(format, cols);
}

/// 2^(byte - 127): the least power of two by which the tile fits into E4M3.
u8 scale_byte(const float* x, i64 count) {
  float amax = 0.0f;
  for (i64 i = 0; i < count; ++i) amax = std::max(amax, std::abs(x[i]));  // a NaN keeps itself
  if (!(amax > 0.0f)) return 127;
  const float wanted = std::min(amax, std::numeric_limits<float>::max()) / kE4m3Max;
  int exponent = 0;
  const float mantissa = std::frexp(wanted, &exponent);  // in [0.5, 1)
  if (mantissa == 0.5f) --exponent;
  return static_cast<u8>(std::clamp(exponent + 127, 1, 254));
}

float scale_value(u8 byte) { return std::bit_cast<float>(static_cast<u32>(byte) << 23); }

void encode_fp8(const float* x, i64 cols, u8* numbers, u8* scales) {
  for (i64 begin = 0; begin < cols; begin += kFp8Block) {
    const i64 count = std::min(kFp8Block, cols - begin);
    const u8 scale = scale_byte(x + begin, count);
    const float inverse = 1.0f / scale_value(scale);  // exact: both are powers of two
    for (i64 i = begin; i < begin + count; ++i) numbers[i] = Fp8E4M3(x[i] * inverse).bits;
    scales[begin / kFp8Block] = scale;
  }
}

void encode_bf16(const float* x, i64 cols, u8* out) {
  for (i64 i = 0; i < cols; ++i) {
    const Bf16 number(x[i]);
    std::memcpy(out + 2 * i, &number.bits, 2);
  }
}

}  // namespace

ExpertWire expert_wire(WireFormat configured) {
  switch (configured) {
    case WireFormat::kF32:
      return ExpertWire::kF32;
    case WireFormat::kBf16:
      return ExpertWire::kBf16;
    case WireFormat::kFp8:
      return ExpertWire::kFp8;
  }
  return ExpertWire::kF32;
}

SavedFormat received_format(ExpertWire wire) {
  switch (wire) {
    case ExpertWire::kF32:
      return SavedFormat::kF32;
    case ExpertWire::kBf16:
      return SavedFormat::kBf16;
    case ExpertWire::kFp8:
      return SavedFormat::kE4m3Tiles;
  }
  return SavedFormat::kF32;
}

i64 wire_row_bytes(SavedFormat format, i64 cols) {
  return number_bytes(format, cols) + SavedMatrix::scales_per_row(format, cols);
}

void encode_rows(SavedFormat format, View<const float, 2> x, std::span<const i32> tokens, u8* out) {
  const i64 cols = x.dim(1), bytes = number_bytes(format, cols);
  const i64 tiles = SavedMatrix::scales_per_row(format, cols);
  u8* const scales = out + std::ssize(tokens) * bytes;
  parallel_for(std::ssize(tokens), kRowsAtATime, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      const float* row = x.row(tokens[static_cast<size_t>(i)]);
      u8* const to = out + i * bytes;
      if (format == SavedFormat::kF32) std::memcpy(to, row, static_cast<size_t>(bytes));
      if (format == SavedFormat::kBf16) encode_bf16(row, cols, to);
      if (format == SavedFormat::kE4m3Tiles) encode_fp8(row, cols, to, scales + i * tiles);
    }
  });
}

void decode_rows(const u8* in, i64 count, i64 begin, const SavedMatrix& rows) {
  FATHOM_CHECK(begin >= 0 && begin + count <= rows.rows, "rows [", begin, ", ", begin + count,
               ") of ", rows);
  const i64 bytes = rows.row_bytes();
  std::memcpy(rows.data + begin * bytes, in, static_cast<size_t>(count * bytes));
  const i64 tiles = count * SavedMatrix::scales_per_row(rows.format, rows.cols);
  const u8* const scales = in + count * bytes;
  float* const to = rows.scale == nullptr
                        ? nullptr
                        : rows.scale + begin * SavedMatrix::scales_per_row(rows.format, rows.cols);
  for (i64 i = 0; i < tiles; ++i) to[i] = scale_value(scales[i]);
}

void add_bf16(const u8* in, float* y, i64 cols) {
  for (i64 i = 0; i < cols; ++i) {
    u16 bits = 0;
    std::memcpy(&bits, in + 2 * i, 2);
    y[i] += static_cast<float>(Bf16::from_bits(bits));
  }
}

}  // namespace fathom::model
