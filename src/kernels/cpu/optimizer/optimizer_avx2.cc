#include "kernels/cpu/isa/compile_for_avx2.h"
//
#include "kernels/cpu/optimizer/optimizer_table.inl"
