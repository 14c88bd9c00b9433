// The scalar table of inference kernels. Compiled for the baseline of the target.
#define FATHOM_ISA scalar
#define FATHOM_HAS_DOTS 0  // of BF16 pairs and of bytes
#include "kernels/cpu/vec_scalar.h"
//
#include "kernels/cpu/packed_table.inl"
