#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/optimizer/optimizer_table.inl"
