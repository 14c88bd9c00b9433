#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/isa/isa_table.inl"
