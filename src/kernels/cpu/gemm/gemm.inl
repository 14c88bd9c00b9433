#pragma once
// A block of c of one product: chunks of K, so that the operands' panels stay in the caches, then
// gemm_micro.inl. Where blocks and tiles lie changes no result; chunks are the same for all.
#include "kernels/cpu/gemm/gemm_micro.inl"
#if FATHOM_HAS_TILES
#include "kernels/cpu/gemm/gemm_tiles_amx.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Bytes of a row of a panel that are multiplied before the next tile takes the same ones: numbers
/// along K, a multiple of 128.
constexpr int64_t kChunkBytes = 2048;

template <class Panel>
PanelProduct<Panel> block_of(const GemmArgs& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  using Number = typename Panel::Number;
  const int64_t scales = g.k_padded / kScaleBlock;
  PanelProduct<Panel> p{};
  p.a = static_cast<const Number*>(g.a) + m0 * g.k_padded;
  p.m = m1 - m0;
  p.a_panel = kPanelRows * g.k_padded;
  p.a_in_rows = g.a_in_rows;
  p.b = static_cast<const Number*>(g.b) + n0 * g.k_padded;
  p.n = n1 - n0;
  p.b_panel = kPanelRows * g.k_padded;
  p.a_scale = g.a_scale != nullptr ? g.a_scale + m0 * scales : nullptr;
  p.a_scale_panel = kPanelRows * scales;
  p.b_scale = g.b_scale != nullptr ? g.b_scale + n0 * scales : nullptr;
  p.b_scale_panel = kPanelRows * scales;
  p.c = g.c + m0 * g.c_stride + n0;
  p.c_stride = g.c_stride;
  p.accumulate = g.accumulate;
  return p;
}

template <class Panel, bool kScaled>
void gemm_chunks(PanelProduct<Panel> p, int64_t k_padded) {
  constexpr int64_t kChunk = kChunkBytes / static_cast<int64_t>(sizeof(typename Panel::Number));
  for (int64_t k = 0; k < k_padded; k += kChunk) {
    p.k = min(kChunk, k_padded - k);
    multiply_panels<Panel, kScaled>(p);
    p.a += p.k * kPanelRows;
    p.b += p.k * kPanelRows;
    if constexpr (kScaled) {
      p.a_scale += p.k / kScaleBlock * kPanelRows;
      p.b_scale += p.k / kScaleBlock * kPanelRows;
    }
    p.accumulate = true;
  }
}

/// The largest power of two's multiples with `bits` of mantissa at or below |v|: truncation.
inline Vec truncate_mantissa(Vec v, int bits) {
  return vec_of(words_of(v) & static_cast<int32_t>(~0u << (23 - bits)));
}

/// Products of one instruction of Hopper's tensor cores.
constexpr int64_t kStudyGroup = 32;

/// 16 x 16 results with a short accumulator: `partial` takes the sums of at most 32 products and
/// loses mantissa bits after each; after promotion_interval products it is added to c. Scales are
/// applied on promotion, or, if an interval spans several blocks of 128, to each sum.
template <class Panel>
void study_tile(PanelProduct<Panel> p, const GemmArgs& g, float* total) {
  constexpr int64_t kNumbers = kPanelRows * kPanelRows;
  alignas(64) float partial[kNumbers] = {}, sum[kNumbers];
  const int64_t interval = g.promotion_interval;
  const bool scale_each = interval > kScaleBlock;
#if FATHOM_HAS_TILES
  const auto* rows = p.a;
  alignas(64) uint16_t transposed[kPanelRows * kScaleBlock];
#endif
  p.c = sum;
  p.c_stride = kPanelRows;
  p.accumulate = false;
  for (int64_t k = 0; k < g.k_padded; k += p.k) {
    const int64_t in_block = kScaleBlock - k % kScaleBlock;
    const int64_t since = scale_each ? k % interval : k % kScaleBlock % interval;
    p.k = min(min(kStudyGroup, in_block), min(interval - since, g.k_padded - k));
#if FATHOM_HAS_TILES
    if constexpr (Panel::kDepth == 2) {
      if (g.a_in_rows && in_block == kScaleBlock) {
        transpose_panel(rows + k * kPanelRows, kScaleBlock, transposed);
        p.a = transposed;
      }
    }
#endif
    multiply_panels<Panel>(p);
    p.a += p.k * kPanelRows;
    p.b += p.k * kPanelRows;
    const bool promote =
        since + p.k == interval || k + p.k == g.k_padded || (!scale_each && p.k == in_block);
    const int64_t scales = k / kScaleBlock * kPanelRows;
    for (int64_t i = 0; i < kNumbers; i += Vec::kLanes) {
      const Vec scale = Vec::set1(p.a_scale[scales + i / kPanelRows]) *
                        Vec::load(p.b_scale + scales + i % kPanelRows);
      const Vec added = scale_each ? Vec::load(sum + i) * scale : Vec::load(sum + i);
      Vec held = truncate_mantissa(Vec::load(partial + i) + added, g.mantissa_bits);
      if (promote) {
        const Vec scaled = scale_each ? held : held * scale;
        (Vec::load(total + i) + scaled).store(total + i);
        held = Vec::zero();
      }
      held.store(partial + i);
    }
  }
}

template <class Panel>
void gemm_study(const GemmArgs& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  for (int64_t m = m0; m < m1; m += kPanelRows) {
    for (int64_t n = n0; n < n1; n += kPanelRows) {
      const int64_t rows = min(kPanelRows, m1 - m), cols = min(kPanelRows, n1 - n);
      alignas(64) float total[kPanelRows * kPanelRows] = {};
      float* c = g.c + m * g.c_stride + n;
      for (int64_t r = 0; g.accumulate && r < rows; ++r) {
        for (int64_t j = 0; j < cols; ++j) total[r * kPanelRows + j] = c[r * g.c_stride + j];
      }
      study_tile(block_of<Panel>(g, m, m + kPanelRows, n, n + kPanelRows), g, total);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t j = 0; j < cols; ++j) c[r * g.c_stride + j] = total[r * kPanelRows + j];
      }
    }
  }
}

/// On the best unit for these panels.
template <class Panel, bool kScaled>
void gemm_chunks_of(const GemmArgs& g, const PanelProduct<Panel>& p) {
#if FATHOM_HAS_TILES
  if constexpr (Panel::kDepth == 2) return gemm_tiles<kScaled>(p, g.k);
#endif
  gemm_chunks<Panel, kScaled>(p, g.k_padded);
}

template <class Panel>
void gemm_block_of(const GemmArgs& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  if (g.k_padded == 0) {
    for (int64_t m = m0; !g.accumulate && m < m1; ++m) {
      for (int64_t n = n0; n < n1; ++n) g.c[m * g.c_stride + n] = 0.0f;
    }
    return;
  }
  if (g.a_scale == nullptr) {
    return gemm_chunks_of<Panel, false>(g, block_of<Panel>(g, m0, m1, n0, n1));
  }
  if (g.promotion_interval != kScaleBlock || g.mantissa_bits < 23) {
    return gemm_study<Panel>(g, m0, m1, n0, n1);
  }
  gemm_chunks_of<Panel, true>(g, block_of<Panel>(g, m0, m1, n0, n1));
}

template <class Dot>
void gemm_block(const GemmArgs& g, int64_t m0, int64_t m1, int64_t n0, int64_t n1) {
  if constexpr (Dot::kAvailable) {
    if (g.is_bf16) return gemm_block_of<typename Dot::Panel>(g, m0, m1, n0, n1);
  }
  gemm_block_of<PanelF32>(g, m0, m1, n0, n1);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
