#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/moe/moe_table.inl"
