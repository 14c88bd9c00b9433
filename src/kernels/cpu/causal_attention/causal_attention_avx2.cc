#include "kernels/cpu/isa/compile_for_avx2.h"
//
#include "kernels/cpu/causal_attention/causal_attention_table.inl"
