#pragma once
// Packing: any saved format, rows by id, transposed or not, rounded or quantised, into panels.
//
// Work is cut into units of 128 x 128 packed numbers, which is also a weight's FP8 block. A panel
// of a unit is brought to "lanes": 128 pointers, one a number along K, each to the numbers of
// 16 rows. A transposed source lies like that already; else blocks of kLanes x kLanes are
// transposed.
#include "kernels/cpu/gemm/gemm_micro.inl"
#include "kernels/cpu/gemm/pack_sources.inl"
#if FATHOM_HAS_TILES
#include "kernels/cpu/gemm/gemm_tiles_amx.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

// Rounding of a vector of 16 or fewer packed rows from row `at` of the unit on.

struct KeepNumbers {
  Vec operator()(Vec v, int64_t) const { return v; }
  Vec of_row(Vec v, int64_t) const { return v; }
};
struct RoundToBf16 {
  Vec operator()(Vec v, int64_t) const { return round_to_bf16(v); }
};
template <bool kE5m2>
struct Quantise {
  const float* scale;
  Vec operator()(Vec v, int64_t at) const { return round(v / Vec::load(scale + at)); }
  /// Of numbers of one row.
  Vec of_row(Vec v, int64_t row) const { return round(v / Vec::set1(scale[row])); }

 private:
  static Vec round(Vec quotient) {
    return kE5m2 ? round_to_e5m2(quotient) : round_to_e4m3(quotient);
  }
};

/// Where number k of a unit's panel lies.
template <class Panel>
inline typename Panel::Number* panel_at(const PackArgs& a, const Unit& u, int64_t panel,
                                        int64_t k) {
  const int64_t index = u.row / kPanelRows + panel;
  return static_cast<typename Panel::Number*>(a.data) + (index * a.k_padded + u.k + k) * kPanelRows;
}

/// Stores the numbers of kLanes rows at k, and at k + 1 if a panel holds pairs.
template <class Panel, class Round>
[[gnu::always_inline]] inline void store_lanes(Vec first, Vec second, const Round& round,
                                               int64_t at, typename Panel::Number* out) {
  if constexpr (Panel::kDepth == 2) {
    Panel::store_step(round(first, at), round(second, at), out);
  } else {
    round(first, at).store(out);
  }
}

template <bool kFull>
inline Vec load_transposed(const UnitSource& s, int64_t k, int64_t at) {
  if (k >= s.count) return Vec::zero();
  return kFull ? Vec::load(s.rows[k] + at) : load_n(s.rows[k] + at, s.cols - at);
}

/// A unit of a transposed source: all panels at once, so that rows of x are read along.
template <class Panel, bool kFull, class Round>
void write_transposed(const PackArgs& a, const Unit& u, const UnitSource& s, const Round& round) {
  typename Panel::Number* first = panel_at<Panel>(a, u, 0, 0);
  for (int64_t k = 0; k < u.k_count; k += Panel::kDepth) {
    for (int64_t i = 0; i < Panel::kDepth; ++i) prefetch_row(s, k + i + kRowsAhead);
    typename Panel::Number* out = first + k * kPanelRows;
    for (int64_t row = 0; row < u.rows; row += kPanelRows, out += kPanelRows * a.k_padded) {
#pragma GCC unroll 4
      for (int64_t at = 0; at < kPanelRows; at += Vec::kLanes) {
        store_lanes<Panel>(load_transposed<kFull>(s, k, row + at),
                           load_transposed<kFull>(s, k + 1, row + at), round, row + at,
                           out + at * Panel::kDepth);
      }
    }
  }
}

/// kLanes numbers of row i of a source from column k on; zeros where there are none.
inline Vec load_row(const UnitSource& s, int64_t row, int64_t k) {
  return row < s.count && k < s.cols ? load_n(s.rows[row] + k, s.cols - k) : Vec::zero();
}

/// A panel of rows as they lie: kLanes x kLanes numbers are transposed.
template <class Panel, class Round>
void write_rows(const PackArgs& a, const Unit& u, const UnitSource& s, int64_t panel,
                const Round& round) {
  for (int64_t k = 0; k < u.k_count; k += Vec::kLanes) {
    const int64_t steps = min(Vec::kLanes, u.k_count - k);
    for (int64_t at = 0; at < kPanelRows; at += Vec::kLanes) {
      const int64_t row = panel * kPanelRows + at;
      Vec block[Vec::kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < Vec::kLanes; ++i) {
        prefetch_at(s, row + i + kRowsAhead, k);
        block[i] = load_row(s, row + i, k);
      }
      transpose(block);
      for (int64_t i = 0; i < steps; i += Panel::kDepth) {
        store_lanes<Panel>(block[i], block[i + Panel::kDepth - 1], round, row,
                           panel_at<Panel>(a, u, panel, k + i) + at * Panel::kDepth);
      }
    }
  }
}

/// The same for BF16 pairs without scales: rounded first, then transposed as 32-bit words, which
/// halves the work.
template <class Panel>
void write_pairs(const PackArgs& a, const Unit& u, const UnitSource& s, int64_t panel) {
  for (int64_t k = 0; k < u.k_count; k += 2 * Vec::kLanes) {
    Vec block[Vec::kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < Vec::kLanes; ++i) {
      const int64_t row = panel * kPanelRows + i;
      prefetch_at(s, row + kRowsAhead, k);
      prefetch_at(s, row + kRowsAhead, k + Vec::kLanes);
      block[i] = Panel::pairs(load_row(s, row, k), load_row(s, row, k + Vec::kLanes));
    }
    transpose(block);
    const int64_t pairs = min(Vec::kLanes, (u.k_count - k) / 2);
    for (int64_t i = 0; i < pairs; ++i) {
      __builtin_memcpy(panel_at<Panel>(a, u, panel, k + 2 * i), &block[i], sizeof(Vec));
    }
  }
}

/// A panel in rows: nothing is transposed.
template <class Panel, class Round>
void write_in_rows(const PackArgs& a, const Unit& u, const UnitSource& s, int64_t panel,
                   const Round& round) {
  constexpr int64_t kNumbers = 2 * Vec::kLanes;
  typename Panel::Number* out = panel_at<Panel>(a, u, panel, 0);
  for (int64_t i = 0; i < kPanelRows; ++i, out += kNumbers) {
    const int64_t row = panel * kPanelRows + i;
    prefetch_row(s, row + kRowsAhead);
    for (int64_t k = 0; k < u.k_count; k += kNumbers) {
      const Vec pairs = Panel::pairs(round.of_row(load_row(s, row, k), row),
                                     round.of_row(load_row(s, row, k + Vec::kLanes), row));
      __builtin_memcpy(out + k * kPanelRows, &pairs, sizeof(Vec));
    }
  }
}

#if FATHOM_HAS_TILES
/// A unit of a transposed source in rows: each tile is transposed on its way.
template <class Panel, bool kFull, class Round>
void write_transposed_in_rows(const PackArgs& a, const Unit& u, const UnitSource& s,
                              const Round& round) {
  for (int64_t k = 0; k < u.k_count; k += kTileDepth) {
    for (int64_t i = 0; i < kTileDepth; ++i) prefetch_row(s, k + i + kTileDepth);
    for (int64_t row = 0; row < u.rows; row += kPanelRows) {
      alignas(64) typename Panel::Number tile[kPanelRows * kTileDepth];
#pragma GCC unroll 4
      for (int64_t i = 0; i < kTileDepth; i += 2) {
        store_lanes<Panel>(load_transposed<kFull>(s, k + i, row),
                           load_transposed<kFull>(s, k + i + 1, row), round, row,
                           tile + i * kPanelRows);
      }
      transpose_panel(tile, kTileDepth, panel_at<Panel>(a, u, row / kPanelRows, k));
    }
  }
}
#endif

template <class Panel, class Round>
void write_unit(const PackArgs& a, const Unit& u, const UnitSource& s, const Round& round) {
  if (a.transpose) {
#if FATHOM_HAS_TILES
    if constexpr (Panel::kDepth == 2) {
      if (a.in_rows) {
        return u.rows == kScaleBlock ? write_transposed_in_rows<Panel, true>(a, u, s, round)
                                     : write_transposed_in_rows<Panel, false>(a, u, s, round);
      }
    }
#endif
    return u.rows == kScaleBlock ? write_transposed<Panel, true>(a, u, s, round)
                                 : write_transposed<Panel, false>(a, u, s, round);
  }
  for (int64_t panel = 0; panel * kPanelRows < u.rows; ++panel) {
#if FATHOM_HAS_TILES
    if constexpr (Panel::kDepth == 2 && !__is_same(Round, RoundToBf16)) {
      if (a.in_rows) {
        write_in_rows<Panel>(a, u, s, panel, round);
        continue;
      }
    }
#endif
    if constexpr (Panel::kDepth == 2 && __is_same(Round, KeepNumbers)) {
      write_pairs<Panel>(a, u, s, panel);
    } else {
      write_rows<Panel>(a, u, s, panel, round);
    }
  }
}

template <class Panel>
void pack_unit(const PackArgs& a, const Unit& u, float* scratch) {
  const UnitSource source = unit_source(a, u, scratch);
  if (a.format == PackFormat::kF32 || (a.format == PackFormat::kBf16 && Panel::kDepth == 2)) {
    return write_unit<Panel>(a, u, source, KeepNumbers{});
  }
  if (a.format == PackFormat::kBf16) return write_unit<Panel>(a, u, source, RoundToBf16{});
  float scale[kScaleBlock];
  unit_scales(a, u, source, scale);
  for (int64_t row = 0; row < u.rows; row += kPanelRows) {
    const int64_t panel = (u.row + row) / kPanelRows;
    float* out = a.scale + (panel * (a.k_padded / kScaleBlock) + u.k / kScaleBlock) * kPanelRows;
    for (int64_t i = 0; i < kPanelRows; ++i) out[i] = scale[row + i];
  }
  a.format == PackFormat::kE5m2 ? write_unit<Panel>(a, u, source, Quantise<true>{scale})
                                : write_unit<Panel>(a, u, source, Quantise<false>{scale});
}

template <class Dot>
void pack_units(const PackArgs& a, int64_t begin, int64_t end, float* scratch) {
  for (int64_t i = begin; i < end; ++i) {
    if constexpr (Dot::kAvailable) {
      if (a.is_bf16) {
        pack_unit<typename Dot::Panel>(a, unit_at(a, i), scratch);
        continue;
      }
    }
    pack_unit<PanelF32>(a, unit_at(a, i), scratch);
  }
}

void amax_units(const PackArgs& a, int64_t begin, int64_t end, float* amax, float* scratch) {
  for (int64_t i = begin; i < end; ++i) {
    unit_amax(a, unit_source(a, unit_at(a, i), scratch), amax + i * kScaleBlock);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
