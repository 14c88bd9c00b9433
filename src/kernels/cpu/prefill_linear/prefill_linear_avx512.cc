#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/prefill_linear/prefill_linear_table.inl"
