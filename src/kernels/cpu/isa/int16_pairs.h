#pragma once
// Pairs, a register of 16-bit numbers that are multiplied in pairs.
#include "kernels/cpu/isa/vec.h"
#if FATHOM_VECTOR_BITS == 512
#include "kernels/cpu/isa/int16_pairs_avx512.h"
#else
#include "kernels/cpu/isa/int16_pairs_avx2.h"
#endif
