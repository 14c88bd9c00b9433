#pragma once
// First include of a *_avx512.cc, which is compiled for AVX-512 F, BW, DQ and VL.
#define FATHOM_ISA avx512  // namespace and name of the tables
#define FATHOM_VECTOR_BITS 512
#define FATHOM_HAS_DOTS 0   // dot products of BF16 pairs and of bytes
#define FATHOM_HAS_TILES 0  // products of whole tiles
