#include "kernels/cpu/isa/compile_for_amx.h"
//
#include "kernels/cpu/isa/peak_amx.inl"
