#pragma once
// Vec, a register of f32 numbers on the instruction set that this file is compiled for.
//
// Kernels and all they include are freestanding: nothing of std, and no inline function whose name
// another file shares. A template instantiated under -mavx512f would be a weak symbol, and the
// linker may keep that copy for the whole program: a crash on an older CPU.
// tools/check_isa_objects.py looks for it.
#ifndef FATHOM_ISA
#include "kernels/cpu/isa/compile_for_scalar.h"  // an editor that opens one file alone
#endif
#if FATHOM_VECTOR_BITS == 512
#include "kernels/cpu/isa/vec_avx512.h"
#elif FATHOM_VECTOR_BITS == 256
#include "kernels/cpu/isa/vec_avx2.h"
#else
#include "kernels/cpu/isa/vec_scalar.h"
#endif
