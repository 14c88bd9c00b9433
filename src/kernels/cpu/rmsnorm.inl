namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void rmsnorm_forward_rows(const RmsNormForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    float* y = a.y + row * a.y_stride;

    Vec sum = Vec::zero();
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const Vec v = load_n(x + i, a.dim - i);
      sum = fma(v, v, sum);
    }
    const float rstd = 1.0f / __builtin_sqrtf(reduce_add(sum) / static_cast<float>(a.dim) + a.eps);
    if (a.rstd != nullptr) a.rstd[row] = rstd;
    for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
      const int64_t n = a.dim - i;
      store_n(load_n(x + i, n) * Vec::set1(rstd) * load_n(a.weight + i, n), y + i, n);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
