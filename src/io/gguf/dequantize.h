#pragma once
// From the blocks of a GGUF tensor to f32, bit for bit as the `gguf` Python package dequantises
// them (and ggml's dequantize_row_*): products and sums are rounded to f32 one by one, in the order
// of the formulas below. q are the stored integers, d and m scales in f16.
//
//   Q4_0, Q5_0   d * (q - 8), d * (q - 16)           Q8_0     q * d
//   Q4_1, Q5_1   d * q + m                           MXFP4    2^(e - 128) * table[q]
//   Q2_K         (d * s) * q - (m * t)               IQ4_NL   d * table[q]
//   Q4_K, Q5_K   (d * s) * q - (m * t)               IQ4_XS   (d * (s - 32)) * table[q]
//   Q3_K         (d * (s - 32)) * (q - 4 or q)       Q6_K     (d * s) * (q - 32)
//
// s and t are small integers, one for each 16 or 32 elements of a block of 256.
#include <span>

#include "base/types.h"
#include "io/gguf/type.h"

namespace fathom::io::gguf {

/// out[i] = element i of `bytes`, which are whole blocks of `type`. out must hold exactly as many
/// elements as the blocks do.
void dequantize(Type type, std::span<const u8> bytes, std::span<float> out);

}  // namespace fathom::io::gguf
