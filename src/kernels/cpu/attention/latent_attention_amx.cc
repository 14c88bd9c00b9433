#include "kernels/cpu/isa/compile_for_amx.h"
//
#include "kernels/cpu/attention/latent_attention_table.inl"
