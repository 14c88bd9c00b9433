#pragma once
// The micro-kernel over packed panels: 16 rows of an operand, K inside.
//   PanelF32   [k][16] f32
//   PanelBf16  [k/2][16][2] bf16, with BF16 dot products only (dot_bf16.h)
// Both operands have the same form: a panel of b is a vector of 16 columns of c, a row of a panel
// of a is broadcast.
//
// Invariant: a result is one accumulator that adds K in rising order, whatever the tile it falls
// into. So it depends on no other row.
#include "kernels/api/gemm.h"
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// f32 panels: a step of K is one number.
struct PanelF32 {
  using Number = float;
  using Operand = Vec;
  static constexpr int kDepth = 1;

  static Operand load(const float* p) { return Vec::load(p); }
  static Operand broadcast(const float* p) { return Vec::set1(*p); }
  static Vec accumulate(Vec acc, Operand a, Operand b) { return fma(a, b, acc); }
};

/// Vectors of a panel.
constexpr int kPanelVecs = static_cast<int>(kPanelRows) / Vec::kLanes;

/// acc[r][j] += the sum over k of row r of a times vector j of b. k: a multiple of the depth.
template <class Panel, int R, int P>
[[gnu::always_inline]] inline void multiply_span(const typename Panel::Number* a,
                                                 const typename Panel::Number* b, int64_t b_panel,
                                                 int64_t k, Vec (&acc)[R][P * kPanelVecs]) {
  constexpr int64_t kStep = kPanelRows * Panel::kDepth;
  for (; k > 0; k -= Panel::kDepth, a += kStep, b += kStep) {
    typename Panel::Operand columns[P * kPanelVecs];
#pragma GCC unroll 8
    for (int j = 0; j < P * kPanelVecs; ++j) {
      columns[j] = Panel::load(b + j / kPanelVecs * b_panel +
                               j % kPanelVecs * (Vec::kLanes * Panel::kDepth));
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const typename Panel::Operand row = Panel::broadcast(a + r * Panel::kDepth);
#pragma GCC unroll 8
      for (int j = 0; j < P * kPanelVecs; ++j) {
        acc[r][j] = Panel::accumulate(acc[r][j], row, columns[j]);
      }
    }
  }
}

template <int R, int V>
[[gnu::always_inline]] inline void set_zero_tile(Vec (&acc)[R][V]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * V; ++i) acc[i / V][i % V] = Vec::zero();
}

/// Operands of one tile: R rows of a panel of a, P panels of b.
template <class Panel>
struct PanelTile {
  const typename Panel::Number* a;
  const typename Panel::Number* b;
  int64_t b_panel;       // numbers from a panel of b to the next
  const float* a_scale;  // scaled tiles: of row 0, one each kPanelRows a block of 128
  const float* b_scale;  // of column 0
  int64_t b_scale_panel;
  int64_t k;
  float* c;
  int64_t c_stride;
  bool accumulate;
};

/// Fetches a tile's results while it is multiplied: its stores need not wait for memory then.
template <class Panel, int R, int P>
inline void prefetch_results(const PanelTile<Panel>& t) {
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < P; ++p) {
      __builtin_prefetch(t.c + r * t.c_stride + p * kPanelRows, 1);
    }
  }
}

template <class Panel, int R, int P>
[[gnu::always_inline]] inline void store_tile(const PanelTile<Panel>& t,
                                              const Vec (&acc)[R][P * kPanelVecs]) {
  constexpr int V = P * kPanelVecs;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    float* c = t.c + r * t.c_stride;
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) {
      const Vec sum = t.accumulate ? Vec::load(c + j * Vec::kLanes) + acc[r][j] : acc[r][j];
      sum.store(c + j * Vec::kLanes);
    }
  }
}

template <class Panel, int R, int P>
void multiply_tile(const PanelTile<Panel>& t) {
  constexpr int V = P * kPanelVecs;
  prefetch_results<Panel, R, P>(t);
  Vec acc[R][V];
  set_zero_tile(acc);
  multiply_span<Panel, R, P>(t.a, t.b, t.b_panel, t.k, acc);
  store_tile<Panel, R, P>(t, acc);
}

/// c (+)= sum over blocks of 128: (a.b of the block) * a_scale * b_scale. k: a multiple of 128.
template <class Panel, int R, int P>
void multiply_scaled_tile(const PanelTile<Panel>& t) {
  constexpr int V = P * kPanelVecs;
  prefetch_results<Panel, R, P>(t);
  Vec total[R][V];  // more than registers hold: in the first-level cache
  set_zero_tile(total);
  for (int64_t k = 0; k < t.k; k += kScaleBlock) {
    Vec acc[R][V];
    set_zero_tile(acc);
    multiply_span<Panel, R, P>(t.a + k * kPanelRows, t.b + k * kPanelRows, t.b_panel, kScaleBlock,
                               acc);
    const int64_t scales = k / kScaleBlock * kPanelRows;
    Vec columns[V];
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) {
      columns[j] = Vec::load(t.b_scale + j / kPanelVecs * t.b_scale_panel + scales +
                             j % kPanelVecs * Vec::kLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vec row = Vec::set1(t.a_scale[scales + r]);
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) total[r][j] = fma(acc[r][j], row * columns[j], total[r][j]);
    }
  }
  store_tile<Panel, R, P>(t, total);
}

/// `rows` <= R and `cols` <= P panels of results; a tile that overhangs goes through a buffer.
template <class Panel, bool kScaled, int R, int P>
[[gnu::always_inline]] inline void multiply_part(PanelTile<Panel> t, int64_t rows, int64_t cols) {
  constexpr auto kTile = kScaled ? multiply_scaled_tile<Panel, R, P> : multiply_tile<Panel, R, P>;
  if (rows == R && cols == P * kPanelRows) return kTile(t);
  alignas(64) float buffer[R * P * kPanelRows] = {};
  float* c = t.c;
  const int64_t stride = t.c_stride;
  if (t.accumulate) {
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = 0; j < cols; ++j) buffer[r * P * kPanelRows + j] = c[r * stride + j];
    }
  }
  t.c = buffer;
  t.c_stride = P * kPanelRows;
  kTile(t);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t j = 0; j < cols; ++j) c[r * stride + j] = buffer[r * P * kPanelRows + j];
  }
}

/// Rows of the next smaller tile.
constexpr int fewer_rows(int rows) { return rows == 6 ? 4 : rows / 2; }
/// A tile must end where its panel does: behind the last panel there is no memory to read.
static_assert(kPanelRows % Vec::kPanelTileRows == 0 ||
              kPanelRows % Vec::kPanelTileRows == fewer_rows(Vec::kPanelTileRows));

/// The smallest tile of at most R rows that holds `rows`.
template <class Panel, bool kScaled, int R, int P>
inline void multiply_rows(const PanelTile<Panel>& t, int64_t rows, int64_t cols) {
  if constexpr (R > 2) {
    constexpr int kFewer = fewer_rows(R);
    if (rows <= kFewer) return multiply_rows<Panel, kScaled, kFewer, P>(t, rows, cols);
  }
  multiply_part<Panel, kScaled, R, P>(t, rows, cols);
}

/// Packed operands of one product and their strides from panel to panel.
template <class Panel>
struct PanelProduct {
  const typename Panel::Number* a;  // from a panel's first row
  int64_t m;
  int64_t a_panel;  // numbers
  bool a_in_rows;   // tiles only
  const typename Panel::Number* b;
  int64_t n;
  int64_t b_panel;
  const float* a_scale;  // nullptr: no scales
  int64_t a_scale_panel;
  const float* b_scale;
  int64_t b_scale_panel;
  int64_t k;  // a multiple of the depth; of 128 with scales
  float* c;   // [m, n]
  int64_t c_stride;
  bool accumulate;
};

/// All rows of a against P panels of b, of which `cols` columns are wanted.
template <class Panel, bool kScaled, int P>
void multiply_column(const PanelProduct<Panel>& p, int64_t col, int64_t cols) {
  constexpr int R = Vec::kPanelTileRows;
  PanelTile<Panel> t{};
  t.b = p.b + col / kPanelRows * p.b_panel;
  t.b_panel = p.b_panel;
  t.b_scale = kScaled ? p.b_scale + col / kPanelRows * p.b_scale_panel : nullptr;
  t.b_scale_panel = p.b_scale_panel;
  t.k = p.k;
  t.c_stride = p.c_stride;
  t.accumulate = p.accumulate;
  for (int64_t panel = 0; panel * kPanelRows < p.m; ++panel) {
    const int64_t rows = min(kPanelRows, p.m - panel * kPanelRows);
    for (int64_t r = 0; r < rows; r += R) {
      const int64_t left = min(R, rows - r);
      t.a = p.a + panel * p.a_panel + r * Panel::kDepth;
      t.a_scale = kScaled ? p.a_scale + panel * p.a_scale_panel + r : nullptr;
      t.c = p.c + (panel * kPanelRows + r) * p.c_stride + col;
      multiply_rows<Panel, kScaled, R, P>(t, left, cols);
    }
  }
}

/// c[m, n] (+)= sum_k a[m, k] b[n, k], scaled or not.
template <class Panel, bool kScaled = false>
void multiply_panels(const PanelProduct<Panel>& p) {
  constexpr int64_t kCols = Vec::kPanelTilePanels * kPanelRows;
  int64_t col = 0;
  for (; p.n - col > kCols - kPanelRows; col += kCols) {
    multiply_column<Panel, kScaled, Vec::kPanelTilePanels>(p, col, min(kCols, p.n - col));
  }
  if constexpr (Vec::kPanelTilePanels == 3) {
    const int64_t left = p.n - col;
    if (left > kPanelRows) {
      multiply_column<Panel, kScaled, 2>(p, col, left);
    } else if (left > 0) {
      multiply_column<Panel, kScaled, 1>(p, col, left);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
