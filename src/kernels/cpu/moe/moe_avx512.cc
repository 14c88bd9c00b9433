#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/moe/moe_table.inl"
