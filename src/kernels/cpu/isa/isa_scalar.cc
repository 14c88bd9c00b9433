#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/isa/isa_table.inl"
