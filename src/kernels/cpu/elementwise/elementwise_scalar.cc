#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/elementwise/elementwise_table.inl"
