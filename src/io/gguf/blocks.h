#pragma once
// Internal to io/gguf: one block each. `in` is the block's bytes, `out` its elements.
#include "base/types.h"
#include "tensor/bf16.h"

namespace fathom::io::gguf {

inline u16 load_u16(const u8* in) { return static_cast<u16>(in[0] | in[1] << 8); }
inline float load_f16(const u8* in) { return f16_to_f32(load_u16(in)); }

/// The values that IQ4_NL's and IQ4_XS's nibbles stand for.
inline constexpr i8 kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

void dequantize_q2_k(const u8* in, float* out);
void dequantize_q3_k(const u8* in, float* out);
void dequantize_q4_k(const u8* in, float* out);
void dequantize_q5_k(const u8* in, float* out);
void dequantize_q6_k(const u8* in, float* out);
void dequantize_iq4_xs(const u8* in, float* out);

}  // namespace fathom::io::gguf
