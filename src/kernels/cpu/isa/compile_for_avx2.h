#pragma once
// First include of a *_avx2.cc, which is compiled for AVX2, FMA and F16C.
#define FATHOM_ISA avx2  // namespace and name of the tables
#define FATHOM_VECTOR_BITS 256
#define FATHOM_HAS_DOTS 0   // dot products of BF16 pairs and of bytes
#define FATHOM_HAS_TILES 0  // products of whole tiles
