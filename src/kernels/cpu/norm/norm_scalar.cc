#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/norm/norm_table.inl"
