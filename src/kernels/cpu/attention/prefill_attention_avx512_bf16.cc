#include "kernels/cpu/isa/compile_for_avx512_bf16.h"
//
#include "kernels/cpu/attention/prefill_attention_table.inl"
