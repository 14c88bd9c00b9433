#include "io/gguf/dequantize.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "io/gguf/blocks.h"

namespace fathom::io::gguf {
namespace {

// Blocks of 32: the low nibbles of 16 bytes are elements 0 to 15, the high ones 16 to 31.

void dequantize_f32(const u8* in, float* out) { std::memcpy(out, in, sizeof(float)); }
void dequantize_f16(const u8* in, float* out) { *out = load_f16(in); }
void dequantize_bf16(const u8* in, float* out) {
  *out = static_cast<float>(Bf16::from_bits(load_u16(in)));
}

void dequantize_q4_0(const u8* in, float* out) {
  const float d = load_f16(in);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((in[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((in[2 + i] >> 4) - 8);
  }
}

void dequantize_q4_1(const u8* in, float* out) {
  const float d = load_f16(in), m = load_f16(in + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(in[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(in[4 + i] >> 4) + m;
  }
}

/// The fifth bits of a block's 32 elements.
u32 load_fifth_bits(const u8* in) { return u32{load_u16(in)} | u32{load_u16(in + 2)} << 16; }
int with_fifth_bit(int nibble, u32 bits, int element) {
  return nibble | static_cast<int>(bits >> element & 1) << 4;
}

void dequantize_q5_0(const u8* in, float* out) {
  const float d = load_f16(in);
  const u32 high = load_fifth_bits(in + 2);
  for (int i = 0; i < 16; ++i) {
    const int byte = in[6 + i];
    out[i] = d * static_cast<float>(with_fifth_bit(byte & 15, high, i) - 16);
    out[i + 16] = d * static_cast<float>(with_fifth_bit(byte >> 4, high, i + 16) - 16);
  }
}

void dequantize_q5_1(const u8* in, float* out) {
  const float d = load_f16(in), m = load_f16(in + 2);
  const u32 high = load_fifth_bits(in + 4);
  for (int i = 0; i < 16; ++i) {
    const int byte = in[8 + i];
    out[i] = d * static_cast<float>(with_fifth_bit(byte & 15, high, i)) + m;
    out[i + 16] = d * static_cast<float>(with_fifth_bit(byte >> 4, high, i + 16)) + m;
  }
}

void dequantize_q8_0(const u8* in, float* out) {
  const float d = load_f16(in);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<i8>(in[2 + i])) * d;
}

void dequantize_iq4_nl(const u8* in, float* out) {
  const float d = load_f16(in);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Values[in[2 + i] & 15]);
    out[i + 16] = d * static_cast<float>(kIq4Values[in[2 + i] >> 4]);
  }
}

/// 2^(exponent - 128): half of an E8M0 scale, since the table holds E2M1's values doubled. The two
/// least exponents give subnormal numbers.
float half_of_e8m0(u8 exponent) {
  return std::bit_cast<float>(exponent < 2 ? u32{0x00200000} << exponent
                                           : (u32{exponent} - 1) << 23);
}

void dequantize_mxfp4(const u8* in, float* out) {
  constexpr i8 kDoubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const float d = half_of_e8m0(in[0]);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kDoubled[in[1 + i] & 15]);
    out[i + 16] = d * static_cast<float>(kDoubled[in[1 + i] >> 4]);
  }
}

using DequantizeBlock = void (*)(const u8*, float*);

DequantizeBlock block_function(Type type) {
  switch (type) {
    case Type::kF32:
      return dequantize_f32;
    case Type::kF16:
      return dequantize_f16;
    case Type::kBF16:
      return dequantize_bf16;
    case Type::kQ4_0:
      return dequantize_q4_0;
    case Type::kQ4_1:
      return dequantize_q4_1;
    case Type::kQ5_0:
      return dequantize_q5_0;
    case Type::kQ5_1:
      return dequantize_q5_1;
    case Type::kQ8_0:
      return dequantize_q8_0;
    case Type::kQ2_K:
      return dequantize_q2_k;
    case Type::kQ3_K:
      return dequantize_q3_k;
    case Type::kQ4_K:
      return dequantize_q4_k;
    case Type::kQ5_K:
      return dequantize_q5_k;
    case Type::kQ6_K:
      return dequantize_q6_k;
    case Type::kIQ4_NL:
      return dequantize_iq4_nl;
    case Type::kIQ4_XS:
      return dequantize_iq4_xs;
    case Type::kMXFP4:
      return dequantize_mxfp4;
  }
  FATHOM_CHECK(false, "GGUF type ", static_cast<u32>(type));
  return nullptr;
}

}  // namespace

void dequantize(Type type, std::span<const u8> bytes, std::span<float> out) {
  const TypeInfo& t = info(type);
  const auto block_bytes = static_cast<size_t>(t.block_bytes);
  const auto block_elements = static_cast<size_t>(t.block_elements);
  FATHOM_CHECK(
      bytes.size() % block_bytes == 0 && bytes.size() / block_bytes * block_elements == out.size(),
      bytes.size(), " bytes of ", t.name, " for ", out.size(), " elements");
  const DequantizeBlock block = block_function(type);
  for (size_t i = 0; i < bytes.size() / block_bytes; ++i) {
    block(bytes.data() + i * block_bytes, out.data() + i * block_elements);
  }
}

}  // namespace fathom::io::gguf
