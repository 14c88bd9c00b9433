#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/causal_attention/causal_attention_table.inl"
