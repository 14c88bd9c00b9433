#pragma once
// What an optimizer step does to flat arrays. Every array may be megabytes to gigabytes; work is
// cut into pieces of a fixed size, so sums do not depend on the number of threads.
#include "device/ctx.h"
#include "device/optimizer.h"
#include "tensor/bf16.h"
#include "tensor/view.h"

namespace fathom::ops {

/// sum of x[i]^2 in f64, over pieces of a fixed size in order: the same bits on any threads and any
/// instruction set. Squares are f64, so the sum is finite if and only if every x[i] is: a clip
/// needs no all_finite beside it.
double sum_of_squares(Ctx& ctx, View<const float, 1> x);
/// True if every number is finite.
bool all_finite(Ctx& ctx, View<const float, 1> x);

using device::AdamWOptions;
/// Source: Loshchilov & Hutter 2019, as torch.optim.AdamW: decay first, then
///   m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
///   p -= lr / (1-b1^step) * m / (sqrt(v / (1-b2^step)) + eps)
///   p, m, v  [n]  f32  updated;  g  [n]  f32; none overlaps another
/// In f32, its factors in f64 and rounded once; agrees with torch 2.13 to 1e-6. Moments below
/// 2^-126 become 0. A NaN stays with its number. Reads 16 and writes 12 bytes a number, at the
/// memory's speed: call it once for neighbouring tensors that share their options. Throws
/// InternalError if sizes differ. CPU.
void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<float, 1> m,
                View<float, 1> v, const AdamWOptions& options);
/// The same with BF16 moments (DeepSeek-V3 §3.3.3), rounded to nearest even after the update; p
/// moves by what was not yet rounded. A beta above 1 - 2^-9 would round every decay away.
void adamw_step(Ctx& ctx, View<float, 1> p, View<const float, 1> g, View<Bf16, 1> m,
                View<Bf16, 1> v, const AdamWOptions& options);

/// average = decay * average + (1 - decay) * p, as average += (1 - decay) * (p - average): what is
/// equal stays. CPU.
void ema_update(Ctx& ctx, View<float, 1> average, View<const float, 1> p, float decay);

}  // namespace fathom::ops
