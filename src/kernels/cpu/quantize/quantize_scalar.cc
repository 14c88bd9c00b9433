#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/quantize/quantize_table.inl"
