#pragma once
// A matrix of activations saved by the forward pass for the backward pass, in as few bytes as the
// recipe allows. Non-owning, as every view.
//   kF32         4 bytes a number
//   kBf16        2 bytes
//   kE4m3Tiles   1 byte, and one f32 scale for each 1x128 tile (DeepSeek-V3 §3.3.3)
//   kE5m6Tiles   12 bits, two numbers in three bytes, and one power-of-two scale a 1x128 tile: the
//                input of o_proj (§3.3.3). Bias 15, 6 mantissa bits, subnormals, no infinity.
#include <string>

#include "base/types.h"

namespace fathom {

enum class SavedFormat { kF32, kBf16, kE4m3Tiles, kE5m6Tiles };

struct SavedMatrix {
  u8* data = nullptr;
  float* scale = nullptr;  // [rows, ceil(cols/128)]; tiles only
  i64 rows = 0;
  i64 cols = 0;
  SavedFormat format = SavedFormat::kF32;

  bool empty() const { return data == nullptr; }
  /// Bytes from one row to the next; no padding between rows, each row begins on a byte.
  i64 row_bytes() const { return saved_row_bytes(format, cols); }
  static i64 saved_row_bytes(SavedFormat format, i64 cols) {
    switch (format) {
      case SavedFormat::kF32:
        return cols * 4;
      case SavedFormat::kBf16:
        return cols * 2;
      case SavedFormat::kE4m3Tiles:
        return cols;
      case SavedFormat::kE5m6Tiles:
        return (cols * 12 + 7) / 8;
    }
    return 0;
  }
  static i64 scales_per_row(SavedFormat format, i64 cols) {
    const bool tiles = format == SavedFormat::kE4m3Tiles || format == SavedFormat::kE5m6Tiles;
    return tiles ? (cols + 127) / 128 : 0;
  }
  friend std::string to_string(const SavedMatrix& m) {
    return "[" + std::to_string(m.rows) + ", " + std::to_string(m.cols) + "]";
  }
};

}  // namespace fathom
