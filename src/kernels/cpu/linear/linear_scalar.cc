#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/linear/linear_table.inl"
