#pragma once
// First include of a *_amx.cc, which is compiled for AMX beside AVX-512 with BF16, VNNI and VBMI.
#define FATHOM_ISA amx  // namespace and name of the tables
#define FATHOM_VECTOR_BITS 512
#define FATHOM_HAS_DOTS 1   // dot products of BF16 pairs and of bytes
#define FATHOM_HAS_TILES 1  // products of whole tiles
