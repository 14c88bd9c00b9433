#pragma once
#include "kernels/cpu/moe/combine.inl"
#include "kernels/cpu/moe/moe_table.h"
#include "kernels/cpu/moe/route.inl"
#include "kernels/cpu/moe/router_training.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const MoeTable kMoeTable;
const MoeTable kMoeTable = {
    .moe_route_rows = moe_route_rows,
    .router_scores_rows = router_scores_rows,
    .count_topk_rows = count_topk_rows,
    .router_entropy_rows = router_entropy_rows,
    .router_backward_rows = router_backward_rows,
    .combine_rows = combine_rows,
    .combine_permuted_rows = combine_permuted_rows,
    .combine_permuted_backward_rows = combine_permuted_backward_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
