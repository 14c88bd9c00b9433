#include "kernels/cpu/isa/compile_for_amx.h"
//
#include "kernels/cpu/prefill_linear/prefill_linear_table.inl"
