#include <algorithm>
#include <atomic>
#include <cmath>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/optimizer/optimizer_table.h"

namespace fathom::backend::cpu {
namespace {

/// Numbers of one partial sum, and the least that a thread is given: 64 KiB of f32.
constexpr i64 kPiece = 16384;

void sum_of_squares(Ctx& ctx, const device::SumOfSquares& op) {
  const i64 count = op.x.dim(0), pieces = ceil_div(count, kPiece);
  Workspace::Scope scope(ctx.workspace());
  const auto sums = scope.alloc<double>(pieces);
  parallel_for(pieces, 1, [&](i64 begin, i64 end) {
    for (i64 piece = begin; piece < end; ++piece) {
      const i64 first = piece * kPiece;
      sums(piece) =
          ctx.isa().optimizer->sum_of_squares(op.x.data() + first, std::min(kPiece, count - first));
    }
  });
  *op.sum = 0.0;
  for (i64 piece = 0; piece < pieces; ++piece) *op.sum += sums(piece);
}

void all_finite(Ctx& ctx, const device::AllFinite& op) {
  const i64 count = op.x.dim(0);
  std::atomic<bool> finite{true};
  parallel_for(ceil_div(count, kPiece), 1, [&](i64 begin, i64 end) {
    for (i64 piece = begin; piece < end && finite.load(std::memory_order_relaxed); ++piece) {
      const i64 first = piece * kPiece;
      if (ctx.isa().optimizer->all_finite(op.x.data() + first, std::min(kPiece, count - first))) {
        continue;
      }
      finite.store(false, std::memory_order_relaxed);
    }
  });
  *op.finite = finite.load();
}

/// With AdamWStep or AdamWStepBf16: they differ in the type of the moments.
template <typename Step>
kernels::AdamWArgs adamw_args(const Step& op) {
  const device::AdamWOptions& o = op.options;
  const double step = static_cast<double>(o.step);
  const auto rounded = [](double value) { return static_cast<float>(value); };
  return {.p = op.p.data(),
          .g = op.g.data(),
          .m = op.m.data(),
          .v = op.v.data(),
          .grad_scale = o.grad_scale,
          .decay = rounded(1.0 - o.lr * o.weight_decay),
          .m_share = rounded(1.0 - o.beta1),
          .v_keep = rounded(o.beta2),
          .v_share = rounded(1.0 - o.beta2),
          .step_size = rounded(o.lr / (1.0 - std::pow(o.beta1, step))),
          .v_correction = rounded(1.0 / std::sqrt(1.0 - std::pow(o.beta2, step))),
          .eps = rounded(o.eps)};
}

void adamw_step(Ctx& ctx, const device::AdamWStep& op) {
  const kernels::AdamWArgs args = adamw_args(op);
  parallel_for(op.p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->adamw(args, begin, end); });
}

void adamw_step_bf16(Ctx& ctx, const device::AdamWStepBf16& op) {
  const kernels::AdamWArgs args = adamw_args(op);
  parallel_for(op.p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->adamw_bf16(args, begin, end); });
}

void ema_update(Ctx& ctx, const device::EmaUpdate& op) {
  const kernels::EmaArgs args{
      .average = op.average.data(), .p = op.p.data(), .share = 1.0f - op.decay};
  parallel_for(op.p.dim(0), kPiece,
               [&](i64 begin, i64 end) { ctx.isa().optimizer->ema(args, begin, end); });
}

}  // namespace

void set_optimizer(device::OpTable& table) {
  table.set(sum_of_squares);
  table.set(all_finite);
  table.set(adamw_step);
  table.set(adamw_step_bf16);
  table.set(ema_update);
}

}  // namespace fathom::backend::cpu
