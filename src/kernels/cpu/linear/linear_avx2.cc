#include "kernels/cpu/isa/compile_for_avx2.h"
//
#include "kernels/cpu/linear/linear_table.inl"
