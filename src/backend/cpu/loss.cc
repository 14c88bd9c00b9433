#include <cmath>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/loss/loss_table.h"

namespace fathom::backend::cpu {
namespace {

void token_log_probs(Ctx& ctx, const device::TokenLogProbs& op) {
  const i64 rows = op.logits.dim(0), vocab = op.logits.dim(1);
  Workspace::Scope scope(ctx.workspace());
  const auto max_and_sum = scope.alloc<double>(rows, 2);
  const kernels::TokenLogProbsArgs args{.logits = op.logits.data(),
                                        .logits_stride = op.logits.stride(0),
                                        .max_and_sum = max_and_sum.data(),
                                        .vocab = vocab};
  for_rows(rows, 4 * vocab,
           [&](i64 begin, i64 end) { ctx.isa().loss->token_log_probs_rows(args, begin, end); });
  for (i64 t = 0; t < rows; ++t) {
    op.out(t) = static_cast<double>(op.logits(t, op.targets(t))) - max_and_sum(t, 0) -
                std::log(max_and_sum(t, 1));
  }
}

void cross_entropy_inplace(Ctx& ctx, const device::CrossEntropyInplace& op) {
  const i64 rows = op.logits.dim(0), vocab = op.logits.dim(1);
  Workspace::Scope scope(ctx.workspace());
  const auto terms = scope.alloc<kernels::CrossEntropyTerms>(rows);
  const kernels::CrossEntropyArgs args{.logits = op.logits.data(),
                                       .logits_stride = op.logits.stride(0),
                                       .targets = op.targets.data(),
                                       .terms = terms.data(),
                                       .largest_index = op.largest.data(),
                                       .vocab = vocab,
                                       .grad_scale = op.grad_scale};
  for_rows(rows, 4 * vocab,
           [&](i64 begin, i64 end) { ctx.isa().loss->cross_entropy_rows(args, begin, end); });
  for (i64 t = 0; t < rows; ++t) {
    const kernels::CrossEntropyTerms& row = terms(t);
    op.nll(t) = op.targets(t) >= 0 ? -(row.target - row.largest - std::log(row.sum)) : 0.0;
  }
}

}  // namespace

void set_loss(device::OpTable& table) {
  table.set(token_log_probs);
  table.set(cross_entropy_inplace);
}

}  // namespace fathom::backend::cpu
