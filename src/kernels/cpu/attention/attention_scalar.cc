#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/attention/attention_table.inl"
