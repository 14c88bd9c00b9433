// Blocks of 256 elements, in parts of 16 or 32 with small integer scales of their own. Bits of an
// element lie in several places; each function lists its block's bytes.
#include "io/gguf/blocks.h"

// NOLINTBEGIN(bugprone-implicit-widening-of-multiplication-result): all offsets are within a block.
namespace fathom::io::gguf {
namespace {

/// Q4_K's and Q5_K's 12 bytes of scales s and minima t, 6 bits each, of 8 parts of 32 elements:
/// bytes 0-3 hold s of parts 0-3 and, in their upper two bits, the upper bits of parts 4-7; bytes
/// 4-7 t alike; bytes 8-11 the lower four bits of s (low nibble) and t (high) of parts 4-7.
struct ScaleAndMin {
  int scale;
  int min;
};
ScaleAndMin unpack_scale_and_min(const u8* in, int part) {
  if (part < 4) return {in[part] & 63, in[part + 4] & 63};
  const int low = in[part + 4];
  return {(low & 15) | (in[part - 4] >> 6) << 4, low >> 4 | (in[part] >> 6) << 4};
}

}  // namespace

/// 16 bytes of scales (low nibbles s, high ones t, of parts of 16), 64 bytes of two-bit q, d, m.
/// Byte b of half h holds elements 128 h + b + 32 k in its bits 2 k and 2 k + 1.
void dequantize_q2_k(const u8* in, float* out) {
  const u8 *scales = in, *q = in + 16;
  const float d = load_f16(in + 80), m = load_f16(in + 82);
  for (int part = 0; part < 16; ++part) {
    const float dl = d * static_cast<float>(scales[part] & 15);
    const float ml = m * static_cast<float>(scales[part] >> 4);
    const u8* bytes = q + part / 8 * 32 + part % 2 * 16;
    const int shift = part % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) {
      out[part * 16 + i] = dl * static_cast<float>(bytes[i] >> shift & 3) - ml;
    }
  }
}

/// 32 bytes of third bits (bit k of byte b: element b + 32 k; 4 is subtracted where it is 0), 64 of
/// lower bits as Q2_K's, 12 of 6-bit scales of parts of 16, d.
void dequantize_q3_k(const u8* in, float* out) {
  const u8 *third = in, *q = in + 32, *scales = in + 96;
  const float d = load_f16(in + 108);
  for (int part = 0; part < 16; ++part) {
    const int low = scales[part % 8] >> (part / 8 * 4) & 15;
    const int high = scales[8 + part % 4] >> (part / 4 * 2) & 3;
    const float dl = d * static_cast<float>((low | high << 4) - 32);
    const u8 *bytes = q + part / 8 * 32 + part % 2 * 16, *bits = third + part % 2 * 16;
    const int shift = part % 8 / 2 * 2;
    for (int i = 0; i < 16; ++i) {
      const int offset = (bits[i] >> (part / 2) & 1) != 0 ? 0 : 4;
      out[part * 16 + i] = dl * static_cast<float>((bytes[i] >> shift & 3) - offset);
    }
  }
}

/// d, m, 12 bytes of scales and minima, 128 bytes of q: of each 32 bytes the low nibbles are one
/// part of 32, the high ones the next.
void dequantize_q4_k(const u8* in, float* out) {
  const float d = load_f16(in), m = load_f16(in + 2);
  const u8 *scales = in + 4, *q = in + 16;
  for (int part = 0; part < 8; ++part) {
    const auto [scale, min] = unpack_scale_and_min(scales, part);
    const float dl = d * static_cast<float>(scale), ml = m * static_cast<float>(min);
    const u8* bytes = q + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      out[part * 32 + i] = dl * static_cast<float>(bytes[i] >> shift & 15) - ml;
    }
  }
}

/// As Q4_K, with 32 bytes of fifth bits (bit p of byte i: element i of part p) before q.
void dequantize_q5_k(const u8* in, float* out) {
  const float d = load_f16(in), m = load_f16(in + 2);
  const u8 *scales = in + 4, *fifth = in + 16, *q = in + 48;
  for (int part = 0; part < 8; ++part) {
    const auto [scale, min] = unpack_scale_and_min(scales, part);
    const float dl = d * static_cast<float>(scale), ml = m * static_cast<float>(min);
    const u8* bytes = q + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int value = (bytes[i] >> shift & 15) | (fifth[i] >> part & 1) << 4;
      out[part * 32 + i] = dl * static_cast<float>(value) - ml;
    }
  }
}

/// 128 bytes of lower nibbles, 64 of upper two bits, 16 scales of parts of 16 (signed bytes), d.
/// Of half h, 32-element run k: nibble k / 2 of bytes 64 h + 32 (k % 2) + i, bits 2 k of byte
/// 32 h + i.
void dequantize_q6_k(const u8* in, float* out) {
  const u8 *low = in, *high = in + 128, *scales = in + 192;
  const float d = load_f16(in + 208);
  for (int run = 0; run < 8; ++run) {
    const int half = run / 4, k = run % 4;
    const u8 *nibbles = low + half * 64 + k % 2 * 32, *bits = high + half * 32;
    for (int i = 0; i < 32; ++i) {
      const float dl = d * static_cast<float>(static_cast<i8>(scales[run * 2 + i / 16]));
      const int value = (nibbles[i] >> (k / 2 * 4) & 15) | (bits[i] >> (k * 2) & 3) << 4;
      out[run * 32 + i] = dl * static_cast<float>(value - 32);
    }
  }
}

/// d, 2 bytes of upper and 4 of lower bits of 8 scales (parts of 32), 128 bytes of q: of each 16
/// bytes the low nibbles are the first half of a part, the high ones the second.
void dequantize_iq4_xs(const u8* in, float* out) {
  const float d = load_f16(in);
  const u16 high = load_u16(in + 2);
  const u8 *low = in + 4, *q = in + 8;
  for (int part = 0; part < 8; ++part) {
    const int scale = (low[part / 2] >> (part % 2 * 4) & 15) | (high >> (part * 2) & 3) << 4;
    const float dl = d * static_cast<float>(scale - 32);
    for (int i = 0; i < 16; ++i) {
      const u8 byte = q[part * 16 + i];
      out[part * 32 + i] = dl * static_cast<float>(kIq4Values[byte & 15]);
      out[part * 32 + 16 + i] = dl * static_cast<float>(kIq4Values[byte >> 4]);
    }
  }
}

}  // namespace fathom::io::gguf
// NOLINTEND(bugprone-implicit-widening-of-multiplication-result)
