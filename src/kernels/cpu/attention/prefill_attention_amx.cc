#include "kernels/cpu/isa/compile_for_amx.h"
//
#include "kernels/cpu/attention/prefill_attention_table.inl"
