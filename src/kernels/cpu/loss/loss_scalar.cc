#include "kernels/cpu/isa/compile_for_scalar.h"
//
#include "kernels/cpu/loss/loss_table.inl"
