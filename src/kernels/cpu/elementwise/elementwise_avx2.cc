#include "kernels/cpu/isa/compile_for_avx2.h"
//
#include "kernels/cpu/elementwise/elementwise_table.inl"
