// Packing: any saved format, rows by id, turned or not, rounded or quantised, into panels.
//
// Work is cut into units of 128 x 128 packed numbers, which is also a weight's FP8 block. A panel
// of a unit is brought to "lanes": 128 pointers, one a number along K, each to the 16 rows side by
// side. A turned source lies like that already; else blocks of kLanes x kLanes are transposed.
namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// The source of one unit: real rows and columns of x, as f32.
struct UnitSource {
  const float* rows[kScaleBlock];
  int64_t count;
  int64_t cols;
};

/// What a unit covers: packed rows [row, row + rows), K from k on: k_real numbers, zeros to
/// k_count.
struct Unit {
  int64_t row, rows;
  int64_t k, k_real, k_count;
};

inline Unit unit_at(const PackArgs& a, int64_t index) {
  const int64_t blocks = (a.k_padded + kScaleBlock - 1) / kScaleBlock;
  Unit u;
  u.row = index / blocks * kScaleBlock;
  u.rows = smaller(kScaleBlock, a.rows - u.row);
  u.k = index % blocks * kScaleBlock;
  u.k_count = smaller(kScaleBlock, a.k_padded - u.k);
  u.k_real = smaller(u.k_count, a.k - u.k);
  return u;
}

/// Points into x where that is f32, else into `decoded` [128, 128].
inline UnitSource unit_source(const PackArgs& a, const Unit& u, float* decoded) {
  UnitSource s;
  const int64_t first = a.transpose ? u.k : u.row, col = a.transpose ? u.row : u.k;
  s.count = a.transpose ? u.k_real : u.rows;
  s.cols = a.transpose ? u.rows : u.k_real;
  for (int64_t i = 0; i < s.count; ++i) {
    const int64_t row = a.ids != nullptr ? a.ids[first + i] : first + i;
    if (a.x.type == SavedType::kF32) {
      s.rows[i] = reinterpret_cast<const float*>(a.x.data + row * a.x.row_bytes) + col;
    } else {
      s.rows[i] = decoded + i * kScaleBlock;
      load_saved(a.x, row, col, s.cols, decoded + i * kScaleBlock);
    }
  }
  return s;
}

/// The first `rows` of kLanes rows and their columns from `col` on, zeros elsewhere, transposed.
inline void load_transposed(const float* const* source, int64_t rows, int64_t col, int64_t cols,
                            Vec (&block)[Vec::kLanes]) {
#pragma GCC unroll 16
  for (int i = 0; i < Vec::kLanes; ++i) {
    block[i] = i < rows ? load_n(source[i] + col, cols - col) : Vec::zero();
  }
  transpose(block);
}

/// 16 rows of a source, at most `rows` of them real, turned: lanes [k_count][16].
inline void turn_rows(const float* const* source, int64_t rows, int64_t cols, int64_t k_count,
                      float* lanes) {
  for (int64_t k = 0; k < k_count; k += Vec::kLanes) {
    for (int64_t r = 0; r < kPanelRows; r += Vec::kLanes) {
      Vec block[Vec::kLanes];
      load_transposed(source + r, rows - r, k, cols, block);
      const int64_t n = smaller(Vec::kLanes, k_count - k);
      for (int64_t i = 0; i < n; ++i) block[i].store(lanes + (k + i) * kPanelRows + r);
    }
  }
}

/// Pointers to the 16 numbers of a panel at each k of the unit. buffer: [128 + 1][16].
inline void panel_lanes(const PackArgs& a, const Unit& u, const UnitSource& s, int64_t panel,
                        float* buffer, const float* (&lanes)[kScaleBlock]) {
  const int64_t row = panel * kPanelRows, rows = smaller(kPanelRows, u.rows - row);
  for (int64_t k = 0; k < u.k_count; ++k) lanes[k] = buffer + k * kPanelRows;
  if (!a.transpose) return turn_rows(s.rows + row, rows, s.cols, u.k_count, buffer);
  float* zeros = buffer + kScaleBlock * kPanelRows;
  for (int64_t i = 0; i < kPanelRows; ++i) zeros[i] = 0.0f;
  for (int64_t k = 0; k < u.k_count; ++k) {
    if (k >= s.count) {
      lanes[k] = zeros;
    } else if (rows == kPanelRows) {
      lanes[k] = s.rows[k] + row;
    } else {
      for (int64_t i = 0; i < kPanelRows; ++i) {
        buffer[k * kPanelRows + i] = i < rows ? s.rows[k][row + i] : 0.0f;
      }
    }
  }
}

struct KeepNumbers {
  Vec operator()(Vec v, int) const { return v; }
};
struct RoundToBf16 {
  Vec operator()(Vec v, int) const { return round_to_bf16(v); }
};
template <bool kE5m2>
struct Quantise {
  Vec scale[kPanelVecs];
  Vec operator()(Vec v, int j) const {
    const Vec quotient = v / scale[j];
    return kE5m2 ? round_to_e5m2(quotient) : round_to_e4m3(quotient);
  }
};

/// k_count numbers along K of a panel, rounded, in the panel's order.
template <class Panel, class Round>
void write_panel(const float* const* lanes, int64_t k_count, const Round& round,
                 typename Panel::Number* out) {
  for (int64_t k = 0; k < k_count; k += Panel::kDepth, out += kPanelRows * Panel::kDepth) {
#pragma GCC unroll 4
    for (int j = 0; j < kPanelVecs; ++j) {
      const int64_t at = j * Vec::kLanes;
      if constexpr (Panel::kDepth == 2) {
        Panel::store_step(round(Vec::load(lanes[k] + at), j),
                          round(Vec::load(lanes[k + 1] + at), j), out + 2 * at);
      } else {
        round(Vec::load(lanes[k] + at), j).store(out + at);
      }
    }
  }
}

/// BF16 panels of 16 unturned rows: pairs are rounded first and turned as 32-bit words, half the
/// work of turning f32.
template <class Panel>
void write_pairs(const float* const* source, int64_t rows, int64_t cols, int64_t k_count,
                 typename Panel::Number* out) {
  for (int64_t k = 0; k < k_count; k += 2 * Vec::kLanes) {
    Vec block[Vec::kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < Vec::kLanes; ++i) {
      block[i] = i < rows
                     ? Panel::pairs(load_n(source[i] + k, cols - k),
                                    load_n(source[i] + k + Vec::kLanes, cols - k - Vec::kLanes))
                     : Vec::zero();
    }
    transpose(block);
    const int64_t n = smaller(Vec::kLanes, (k_count - k) / 2);
    for (int64_t i = 0; i < n; ++i) {
      __builtin_memcpy(out + (k + 2 * i) * kPanelRows, &block[i], sizeof(Vec));
    }
  }
}

/// The scales of a panel's 16 rows in this unit.
inline void panel_scales(const PackArgs& a, const Unit& u, int64_t panel, float block_amax,
                         const float* const* lanes, float* scale) {
  if (a.row_scale != nullptr) {
    for (int64_t i = 0; i < kPanelRows; ++i) scale[i] = a.row_scale[u.row + panel * kPanelRows + i];
    return;
  }
  float amax[kPanelRows];
  for (int j = 0; j < kPanelVecs; ++j) {
    Vec largest = Vec::set1(block_amax);
    for (int64_t k = 0; !a.block_scales && k < u.k_real; ++k) {
      largest = max(abs(Vec::load(lanes[k] + j * Vec::kLanes)), largest);
    }
    largest.store(amax + j * Vec::kLanes);
  }
  const float format_max = a.format == PackFormat::kE5m2 ? kE5m2Max : kE4m3Max;
  for (int64_t i = 0; i < kPanelRows; ++i) scale[i] = scale_of(amax[i], format_max, a.power_of_2);
}

template <class Panel>
void pack_panel(const PackArgs& a, const Unit& u, int64_t panel, float block_amax,
                const float* const* lanes) {
  const int64_t index = u.row / kPanelRows + panel;
  auto* out =
      static_cast<typename Panel::Number*>(a.data) + (index * a.k_padded + u.k) * kPanelRows;
  if (a.format == PackFormat::kF32 || (a.format == PackFormat::kBf16 && Panel::kDepth == 2)) {
    return write_panel<Panel>(lanes, u.k_count, KeepNumbers{}, out);
  }
  if (a.format == PackFormat::kBf16) {
    return write_panel<Panel>(lanes, u.k_count, RoundToBf16{}, out);
  }
  float* scale = a.scale + (index * (a.k_padded / kScaleBlock) + u.k / kScaleBlock) * kPanelRows;
  panel_scales(a, u, panel, block_amax, lanes, scale);
  const auto write = [&](auto quantise) {
    for (int j = 0; j < kPanelVecs; ++j) quantise.scale[j] = Vec::load(scale + j * Vec::kLanes);
    write_panel<Panel>(lanes, u.k_count, quantise, out);
  };
  a.format == PackFormat::kE5m2 ? write(Quantise<true>{}) : write(Quantise<false>{});
}

template <class Panel>
void pack_unit(const PackArgs& a, const Unit& u, float* scratch) {
  const UnitSource source = unit_source(a, u, scratch);
  float* buffer = scratch + kScaleBlock * kScaleBlock;
  float block_amax = 0.0f;
  if (a.block_scales) {
    Vec amax = Vec::zero();
    for (int64_t i = 0; i < source.count; ++i) amax = fold_amax(source.rows[i], source.cols, amax);
    block_amax = reduce_max(amax);
  }
  for (int64_t panel = 0; panel * kPanelRows < u.rows; ++panel) {
    if constexpr (Panel::kDepth == 2) {
      if (a.format == PackFormat::kBf16 && !a.transpose) {
        const int64_t row = panel * kPanelRows;
        write_pairs<Panel>(source.rows + row, u.rows - row, source.cols, u.k_count,
                           static_cast<typename Panel::Number*>(a.data) +
                               ((u.row + row) * a.k_padded + u.k * kPanelRows));
        continue;
      }
    }
    const float* lanes[kScaleBlock];
    panel_lanes(a, u, source, panel, buffer, lanes);
    pack_panel<Panel>(a, u, panel, block_amax, lanes);
  }
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
    const Unit u = unit_at(a, i);
    const UnitSource source = unit_source(a, u, scratch);
    float* out = amax + i * kScaleBlock;
    for (int64_t panel = 0; panel * kPanelRows < kScaleBlock; ++panel, out += kPanelRows) {
      for (int64_t r = 0; r < kPanelRows; ++r) out[r] = 0.0f;
      if (panel * kPanelRows >= u.rows) continue;
      const float* lanes[kScaleBlock];
      panel_lanes(a, u, source, panel, scratch + kScaleBlock * kScaleBlock, lanes);
      for (int j = 0; j < kPanelVecs; ++j) {
        Vec largest = Vec::zero();
        for (int64_t k = 0; k < u.k_real; ++k) {
          largest = max(abs(Vec::load(lanes[k] + j * Vec::kLanes)), largest);
        }
        largest.store(out + j * Vec::kLanes);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
