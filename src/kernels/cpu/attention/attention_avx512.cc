#include "kernels/cpu/isa/compile_for_avx512.h"
//
#include "kernels/cpu/attention/attention_table.inl"
