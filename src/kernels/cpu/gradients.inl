namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// One row; `partial` gains its part of dweight.
inline void rmsnorm_backward_row(const RmsNormBackwardArgs& a, int64_t row, float* partial) {
  const float* dy = a.dy + row * a.dy_stride;
  const float* x = a.x + row * a.x_stride;
  float* dx = a.dx + row * a.dx_stride;
  const Vec rstd = Vec::set1(a.rstd[row]);
  Vec sum = Vec::zero();
  each_vec(a.dim, [&](int64_t i, auto n) {
    sum = fma(load_n(a.weight + i, n) * load_n(dy + i, n), load_n(x + i, n) * rstd, sum);
  });
  const Vec mean = Vec::set1(reduce_add(sum) / static_cast<float>(a.dim));
  each_vec(a.dim, [&](int64_t i, auto n) {
    const Vec g = load_n(dy + i, n), xhat = load_n(x + i, n) * rstd;
    store_n(fma(g, xhat, load_n(partial + i, n)), partial + i, n);
    const Vec d = rstd * (load_n(a.weight + i, n) * g - xhat * mean);
    store_n(a.accumulate_dx ? load_n(dx + i, n) + d : d, dx + i, n);
  });
}

/// Blocks [begin, end) of kGradientBlockRows rows.
void rmsnorm_backward_blocks(const RmsNormBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t block = begin; block < end; ++block) {
    float* partial = a.partial + block * a.dim;
    each_vec(a.dim, [&](int64_t i, auto n) { store_n(Vec::zero(), partial + i, n); });
    const int64_t stop = smaller(a.rows, (block + 1) * kGradientBlockRows);
    for (int64_t row = block * kGradientBlockRows; row < stop; ++row) {
      rmsnorm_backward_row(a, row, partial);
    }
  }
}

/// Columns [begin, end).
void add_row_sums_cols(const AddRowSumsArgs& a, int64_t begin, int64_t end) {
  each_vec(end - begin, [&](int64_t i, auto n) {
    Vec sum = Vec::zero();
    for (int64_t r = 0; r < a.rows; ++r) sum = sum + load_n(a.x + r * a.dim + begin + i, n);
    store_n(load_n(a.out + begin + i, n) + sum, a.out + begin + i, n);
  });
}

void silu_mul_backward_rows(const SiluMulBackwardArgs& a, int64_t begin, int64_t end) {
  const Vec one = Vec::set1(1.0f);
  for (int64_t row = begin; row < end; ++row) {
    const float* dy = a.dy + row * a.dy_stride;
    const float* gate = a.gate + row * a.gate_stride;
    const float* up = a.up + row * a.up_stride;
    float* dgate = a.dgate + row * a.dgate_stride;
    float* dup = a.dup + row * a.dup_stride;
    float* y = a.y == nullptr ? nullptr : a.y + row * a.y_stride;
    each_vec(a.dim, [&](int64_t i, auto n) {
      const Vec z = load_n(gate + i, n), u = load_n(up + i, n), g = load_n(dy + i, n);
      const Vec divisor = one + exp(Vec::zero() - z);
      if (y != nullptr) store_n(z / divisor * u, y + i, n);  // the bits of silu_mul_rows
      const Vec s = one / divisor, silu = z * s;
      store_n(g * u * fma(silu, one - s, s), dgate + i, n);
      store_n(g * silu, dup + i, n);
    });
  }
}

/// Columns [begin, end) of every token: each row of the table is summed in the order of tokens.
void scatter_add_cols(const ScatterAddArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = 0; t < a.tokens; ++t) {
    if (a.ids[t] < 0) continue;
    const float* x = a.x + t * a.x_stride + begin;
    float* row = a.table + a.ids[t] * a.table_stride + begin;
    each_vec(end - begin, [&](int64_t i, auto n) {
      store_n(load_n(row + i, n) + load_n(x + i, n), row + i, n);
    });
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
