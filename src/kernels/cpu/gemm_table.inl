// The last include of a gemm_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/gemm_table.h"
//
#include "kernels/cpu/common.inl"
//

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const GemmTable kGemmTable;
const GemmTable kGemmTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
