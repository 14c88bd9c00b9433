#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/elementwise/elementwise_table.inl"
