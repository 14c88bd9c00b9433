#pragma once
// First include of a *_scalar.cc, which is compiled for the baseline of the target.
#define FATHOM_ISA scalar  // namespace and name of the tables
#define FATHOM_VECTOR_BITS 128
#define FATHOM_HAS_DOTS 0   // dot products of BF16 pairs and of bytes
#define FATHOM_HAS_TILES 0  // products of whole tiles
