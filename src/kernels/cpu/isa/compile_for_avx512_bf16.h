#pragma once
// First include of a *_avx512_bf16.cc, which is compiled for AVX-512 with BF16, VNNI and VBMI.
#define FATHOM_ISA avx512_bf16  // namespace and name of the tables
#define FATHOM_VECTOR_BITS 512
#define FATHOM_HAS_DOTS 1   // dot products of BF16 pairs and of bytes
#define FATHOM_HAS_TILES 0  // products of whole tiles
