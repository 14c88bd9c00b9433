namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

template <bool kInverse>
void rope_rows(const RopeForwardArgs& a, int64_t begin, int64_t end) {
  const int64_t step = a.halves ? 1 : 2, partner = a.halves ? a.pairs : 1;
  for (int64_t token = begin; token < end; ++token) {
    const float* cos = a.cos + token * a.pairs;
    const float* sin = a.sin + token * a.pairs;
    for (int64_t head = 0; head < a.heads; ++head) {
      float* x = a.x + token * a.token_stride + head * a.head_stride;
      for (int64_t i = 0; i < a.pairs; ++i) {
        float& first = x[i * step];
        float& second = x[i * step + partner];
        const float sine = kInverse ? -sin[i] : sin[i];
        const float re = first * cos[i] - second * sine;
        const float im = first * sine + second * cos[i];
        first = re;
        second = im;
      }
    }
  }
}

void rope_forward_rows(const RopeForwardArgs& a, int64_t begin, int64_t end) {
  a.inverse ? rope_rows<true>(a, begin, end) : rope_rows<false>(a, begin, end);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
