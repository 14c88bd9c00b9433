#pragma once
// Problems of causal attention for its tests: shapes, operands, and a run by the op or by the
// reference in double. Internal to ops/.
#include <fmt/format.h>

#include <cmath>
#include <string>

#include "kernels/ref/causal_attention.h"
#include "ops/causal_attention/causal_attention.h"
#include "testing/tensor.h"

namespace fathom::ops::attention_test {

namespace ref = kernels::ref;
using testing::normal;
using testing::Tensor;

struct Shape {
  i64 sequences, seq_len, heads, kv_heads, rope_heads, dim, rope, v;
  i64 document = 0;  // tokens of an isolated document; 0: the sequence is one; -1: any first key

  std::string name() const {
    return fmt::format("sequences {} x {}, heads {}/{}/{}, dims {}+{}/{}, documents of {}",
                       sequences, seq_len, heads, kv_heads, rope_heads, dim, rope, v, document);
  }
  i64 tokens() const { return sequences * seq_len; }
};

/// Operands of one shape, rounded to BF16 where a test wants them exact there.
template <typename T>
struct Operands {
  Tensor<T> q, k, q_rope, k_rope, v, dout;
  Tensor<i32> first_key;

  template <typename U>
  Operands<U> to() const {
    return {q.template to<U>(),
            k.template to<U>(),
            q_rope.template to<U>(),
            k_rope.template to<U>(),
            v.template to<U>(),
            dout.template to<U>(),
            first_key};
  }
};

inline Operands<float> operands(const Shape& s, double logit_scale = 1.0) {
  const i64 tokens = s.tokens();
  Operands<float> x{normal<float>({tokens, s.heads, s.dim}, logit_scale, 1),
                    normal<float>({tokens, s.kv_heads, s.dim}, logit_scale, 2),
                    normal<float>({tokens, s.heads, s.rope}, logit_scale, 3),
                    normal<float>({tokens, s.rope_heads, s.rope}, logit_scale, 4),
                    normal<float>({tokens, s.kv_heads, s.v}, 1.0, 5),
                    normal<float>({tokens, s.heads, s.v}, 1.0, 6),
                    {}};
  if (s.document == 0) return x;
  x.first_key = Tensor<i32>({tokens});
  const Philox rng(1, 7);
  for (i64 t = 0; t < tokens; ++t) {
    const i64 position = t % s.seq_len;
    const double any = rng.uniform(static_cast<u64>(t)) * static_cast<double>(position + 1);
    x.first_key[t] = static_cast<i32>(s.document < 0 ? static_cast<i64>(any)
                                                     : position / s.document * s.document);
  }
  return x;
}

/// About one standard deviation of logits, as in a trained model.
inline float usual_scale(const Shape& s) {
  return 1.0f / std::sqrt(static_cast<float>(s.dim + s.rope));
}

template <typename T>
struct Result {
  explicit Result(const Shape& s)
      : out({s.tokens(), s.heads, s.v}),
        lse({s.tokens(), s.heads}),
        dq({s.tokens(), s.heads, s.dim}),
        dk({s.tokens(), s.heads, s.dim}),
        dq_rope({s.tokens(), s.heads, s.rope}),
        dk_rope({s.tokens(), s.heads, s.rope}),
        dv({s.tokens(), s.heads, s.v}) {}
  Tensor<T> out, lse, dq, dk, dq_rope, dk_rope, dv;

  /// fn(name, tensor, is a gradient) over all.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    fn("out", out, false);
    fn("lse", lse, false);
    fn("dq", dq, true);
    fn("dk", dk, true);
    fn("dq_rope", dq_rope, true);
    fn("dk_rope", dk_rope, true);
    fn("dv", dv, true);
  }
  const Tensor<T>& named(const std::string& name) const {
    const Tensor<T>* found = nullptr;
    for_each(
        [&](const char* each, const Tensor<T>& x, bool) { found = name == each ? &x : found; });
    return *found;
  }
};

template <typename T, int R>
View<T, R> view_or_empty(Tensor<T>& x) {
  return x.size() == 0 ? View<T, R>() : x.template v<R>();
}
template <typename T, int R>
View<const T, R> view_or_empty(const Tensor<T>& x) {
  return x.size() == 0 ? View<const T, R>() : x.template cv<R>();
}

inline CausalAttentionInputs inputs(const Shape& s, const Operands<float>& x, float scale,
                                    bool bf16) {
  return {.q = x.q.v<3>(),
          .k = x.k.v<3>(),
          .q_rope = view_or_empty<float, 3>(x.q_rope),
          .k_rope = view_or_empty<float, 3>(x.k_rope),
          .v = x.v.v<3>(),
          .first_key = view_or_empty<i32, 1>(x.first_key),
          .seq_len = s.seq_len,
          .scale = scale,
          .bf16 = bf16};
}

inline Result<float> run(Ctx& ctx, const Shape& s, const Operands<float>& x, float scale,
                         bool bf16) {
  Result<float> r(s);
  const CausalAttentionInputs in = inputs(s, x, scale, bf16);
  for (Tensor<float>* each : {&r.out, &r.lse, &r.dq, &r.dk, &r.dq_rope, &r.dk_rope, &r.dv}) {
    for (i64 i = 0; i < each->size(); ++i) (*each)[i] = 1e30f;  // overwritten, not accumulated
  }
  causal_attention_forward(ctx, in, r.out.v<3>(), r.lse.v<2>());
  causal_attention_backward(ctx, in, r.out.cv<3>(), r.lse.cv<2>(), x.dout.v<3>(),
                            {.dq = r.dq.v<3>(),
                             .dk = r.dk.v<3>(),
                             .dq_rope = view_or_empty<float, 3>(r.dq_rope),
                             .dk_rope = view_or_empty<float, 3>(r.dk_rope),
                             .dv = r.dv.v<3>()});
  return r;
}

inline ref::CausalAttention<double> reference_inputs(const Shape& s, const Operands<double>& x,
                                                     double scale) {
  return {.q = x.q.v<3>(),
          .k = x.k.v<3>(),
          .q_rope = view_or_empty<double, 3>(x.q_rope),
          .k_rope = view_or_empty<double, 3>(x.k_rope),
          .v = x.v.v<3>(),
          .first_key = view_or_empty<i32, 1>(x.first_key),
          .seq_len = s.seq_len,
          .scale = scale};
}

inline Result<double> reference(const Shape& s, const Operands<double>& x, double scale) {
  Result<double> r(s);
  const auto in = reference_inputs(s, x, scale);
  ref::causal_attention_forward(in, r.out.v<3>(), r.lse.v<2>());
  ref::causal_attention_backward(in, r.out.cv<3>(), r.lse.cv<2>(), x.dout.v<3>(),
                                 {.dq = r.dq.v<3>(),
                                  .dk = r.dk.v<3>(),
                                  .dq_rope = view_or_empty<double, 3>(r.dq_rope),
                                  .dk_rope = view_or_empty<double, 3>(r.dk_rope),
                                  .dv = r.dv.v<3>()});
  return r;
}

}  // namespace fathom::ops::attention_test
