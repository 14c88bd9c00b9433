#pragma once
// Linear of prefill in AMX's tiles: which rows are multiplied with which tokens, and where sums go.
#include "kernels/cpu/prefill_linear/row_blocks_amx.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// A tile of sums to y, of which `rows` and `tokens` are wanted.
[[gnu::noinline]] inline void store_tile_sums(const float* sums, int64_t rows, int64_t tokens,
                                              float* y, int64_t y_stride) {
  Vec block[kTileRows];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) block[i] = Vec::load(sums + i * kPanelTokens);
  transpose(block);
  if (rows == kTileRows && tokens == kPanelTokens) [[likely]] {
#pragma GCC unroll 16
    for (int i = 0; i < kPanelTokens; ++i, y += y_stride) block[i].store(y);
    return;
  }
  const __mmask16 mask = static_cast<__mmask16>((1u << rows) - 1);
#pragma GCC unroll 16
  for (int i = 0; i < kPanelTokens; ++i, y += y_stride) {
    if (i < tokens) _mm512_mask_storeu_ps(y, mask, block[i].v);
  }
}

/// fn(first token, tokens) for blocks of kWidePanels panels or fewer, about equal, of the kTokenGroup
/// tokens from `group` on.
template <typename Fn>
inline void each_token_block(const PanelLinearArgs& a, int64_t group, Fn&& fn) {
  const int64_t panels = (min(kTokenGroup, a.tokens - group) + kPanelTokens - 1) / kPanelTokens;
  const int64_t blocks = (panels + kWidePanels - 1) / kWidePanels;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t first = group + panels * i / blocks * kPanelTokens;
    const int64_t last = group + panels * (i + 1) / blocks * kPanelTokens;
    fn(first, min(last, a.tokens) - first);
  }
}

template <typename Kind>
TileRegisters registers_of() {
  return TileRegisters(static_cast<int>(Kind::kStep * Kind::kColumnBytes), 6, 7);
}

struct MultiplyPanels {
  const PanelLinearArgs& a;
  int64_t begin, end;
  void* scratch;

  template <typename Kind>
  void run() const {
    const TileRegisters registers = registers_of<Kind>();
    for (int64_t group = 0; group < a.tokens; group += kTokenGroup) {
      for (int64_t row = begin, rows; row < end; row += rows) {
        rows = block_rows(a, row, end, kAmxRows);
        const int64_t first = min(rows, kBlockRows);
        NextRows next({a, row + rows, min(kAmxRows, end - row - rows)},
                      stored_row_bytes(a.w_type, a.in));
        AmxRows<Kind> of_rows(a, {a, row, first}, {a, row + first, rows - first}, next, scratch);
        each_token_block(a, group, [&](int64_t token, int64_t tokens) {
          of_rows.multiply(token, tokens);
          for (int64_t t = 0; t < tokens; t += kPanelTokens) {
            float* y = a.y + (token + t) * a.y_stride + row;
            for (int64_t r = 0; r < rows; r += kTileRows) {
              store_tile_sums(of_rows.sums(r / kBlockRows, r % kBlockRows, t / kPanelTokens),
                              min(kTileRows, rows - r), min(kPanelTokens, tokens - t), y + r,
                              a.y_stride);
            }
          }
        });
      }
    }
  }
};

/// silu(gate) * up of groups of kGatedRows rows, [panels][kGatedRows][16 tokens] in scratch, then
/// as panels.
struct MultiplyGated {
  const PanelGatedArgs& a;
  int64_t begin, end;
  void* scratch;

  template <typename Kind>
  void run() const {
    const TileRegisters registers = registers_of<Kind>();
    for (int64_t group = 0; group < a.gate.tokens; group += kTokenGroup) {
      for (int64_t row = begin; row < end; row += kGatedRows) {
        const int64_t rows = min(kGatedRows, a.hidden.cols - row);
        for (int64_t r = 0; r < rows; r += kBlockRows) {
          run_rows<Kind>(group, row + r, min(kBlockRows, rows - r), r);
        }
        each_token_block(a.gate, group, [&](int64_t token, int64_t tokens) {
          for (int64_t t = token; t < token + tokens; t += kPanelTokens) {
            pack(t / kPanelTokens, row, rows, hidden_of(t - group));
          }
        });
      }
    }
  }

 private:
  float* hidden_of(int64_t token) const {
    return static_cast<float*>(scratch) + token * kGatedRows;
  }

  /// Rows [row, row + rows) of both matrices, from `at` on among those of the group.
  template <typename Kind>
  void run_rows(int64_t group, int64_t row, int64_t rows, int64_t at) const {
    const int64_t next_row = row + rows, next_rows = min(kBlockRows, a.hidden.cols - next_row);
    NextRows next({a.gate, next_row, next_rows}, {a.up, next_row, next_rows},
                  stored_row_bytes(a.gate.w_type, a.gate.in));
    float* beyond = hidden_of(min(kTokenGroup, round_to_panels(a.gate.tokens)));
    AmxRows<Kind> of_rows(a.gate, {a.gate, row, rows}, {a.up, row, rows}, next, beyond);
    each_token_block(a.gate, group, [&](int64_t token, int64_t tokens) {
      of_rows.multiply(token, tokens);
      for (int64_t t = 0; t < tokens; t += kPanelTokens) {
        for (int64_t r = 0; r < rows; r += kTileRows) {
          const float* gate = of_rows.sums(0, r, t / kPanelTokens);
          const float* up = of_rows.sums(1, r, t / kPanelTokens);
          float* out = hidden_of(token + t - group) + (at + r) * kPanelTokens;
          for (int64_t i = 0; i < kTileNumbers; i += kPanelTokens) {
            silu_mul(Vec::load(gate + i), Vec::load(up + i)).store(out + i);
          }
        }
      }
    });
  }
  static int64_t round_to_panels(int64_t tokens) {
    return (tokens + kPanelTokens - 1) / kPanelTokens * kPanelTokens;
  }

  /// Columns [col, col + n) of a panel, and zeros to the end of their kGatedRows.
  void pack(int64_t panel, int64_t col, int64_t n, const float* hidden) const {
    const PackPanelsArgs& h = a.hidden;
    uint8_t* out = h.out + panel * panel_bytes(h.form, h.k_padded);
    float* scale = h.scale == nullptr ? nullptr : h.scale + panel * panel_scales(h.cols, h.group);
    for (int64_t g = 0; g < kGatedRows; g += h.group) {
      const int64_t there = min(h.group, n - g);
      const PanelScales s = lane_scales(h.form, hidden + g * kPanelTokens, there, h.power_of_2);
      store_panel_scales(s, h, col + g, there, scale);
      for (int64_t i = g; i < g + h.group; i += 16) {
        Vec rows[16];
        for (int64_t r = 0; r < 16; ++r) {
          rows[r] = i + r < n ? Vec::load(hidden + (i + r) * kPanelTokens) : Vec::zero();
        }
        store_panel_columns(h.form, s, rows, col + i, out);
      }
    }
  }
};

/// work.run<Kind>() for the weights of `a`.
template <typename Work>
void run_kind(const PanelLinearArgs& a, const Work& work) {
  const bool short_groups = a.w_groups.group == 32;
  switch (a.w_type) {
    case WeightType::kF32:
      return;  // has no panels
    case WeightType::kBf16:
      return work.template run<AmxBf16>();
    case WeightType::kFp8E4m3:
      return work.template run<AmxFp8>();
    case WeightType::kInt8:
      return short_groups ? work.template run<AmxInteger<8, 32>>()
                          : work.template run<AmxInteger<8, 128>>();
    case WeightType::kInt4:
      return short_groups ? work.template run<AmxInteger<4, 32>>()
                          : work.template run<AmxInteger<4, 128>>();
  }
}

/// Rows [begin, end) of w. scratch: panel_scratch_bytes().
void panel_linear_rows(const PanelLinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  run_kind(a, MultiplyPanels{a, begin, end, scratch});
}

/// Rows [begin, end) of gate and up. scratch: gated_scratch_bytes().
void panel_gated_rows(const PanelGatedArgs& a, int64_t begin, int64_t end, void* scratch) {
  run_kind(a.gate, MultiplyGated{a, begin, end, scratch});
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
