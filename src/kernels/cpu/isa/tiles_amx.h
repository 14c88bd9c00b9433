#pragma once
// Tile registers of AMX: 16 rows of 64 bytes. A tile product adds to C [16][16] of 32-bit numbers
//   A [16 rows][64 bytes along K] x B [K in steps of 4 bytes][16 columns][4 bytes]
// so weights as they lie are an A and a panel of 16 tokens is a B.
#include <immintrin.h>

#include <cstdint>

#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

inline constexpr int kTileRows = 16;          // of a tile, and its columns of 32 bits
inline constexpr int64_t kTileNumbers = 256;  // of 32 bits

/// What lies in memory before is seen by tile loads after, and the other way round: GCC's tile
/// intrinsics do not say that they read memory.
inline void order_memory() { __asm__ volatile("" ::: "memory"); }

/// The thread's tile registers, from construction to destruction: those from first_a on for A, from
/// first_b on for B, the others for C. While they hold nothing, context switches stay cheap. The
/// operating system must have granted their use (base/cpu_features.h).
class TileRegisters {
 public:
  /// k_bytes: bytes along K of an A, 64 or less in multiples of 4.
  explicit TileRegisters(int k_bytes = 64, int first_a = 4, int first_b = 6) {
    struct alignas(64) {
      uint8_t palette = 1, start_row = 0, zeros[14] = {};
      uint16_t row_bytes[16] = {};
      uint8_t rows[16] = {};
    } config;
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = i >= first_a && i < first_b ? static_cast<uint16_t>(k_bytes) : 64;
      config.rows[i] = static_cast<uint8_t>(i >= first_b ? k_bytes / 4 : 16);
    }
    __asm__ volatile("" ::"r"(&config) : "memory");  // GCC takes it for a reader of 8 bytes
    _tile_loadconfig(&config);
  }
  ~TileRegisters() { _tile_release(); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

/// C tiles 0 to 3 are rows (0, 1) x panels (0, 1) of a block of R x P tiles.
template <int R, int P>
struct TileBlock {
  static_assert(R >= 1 && R <= 2 && P >= 1 && P <= 2);

  static void zero() {
    order_memory();
    _tile_zero(0);
    if constexpr (P == 2) _tile_zero(1);
    if constexpr (R == 2) _tile_zero(2);
    if constexpr (R == 2 && P == 2) _tile_zero(3);
  }

  /// The operands of one step along K. a_rows: bytes from an A to the next, b_panels likewise.
  static void load(const uint8_t* a, int64_t a_stride, int64_t a_rows, const uint8_t* b,
                   int64_t b_panels, int64_t b_stride = 64) {
    _tile_loadd(6, b, static_cast<Size>(b_stride));
    _tile_loadd(4, a, static_cast<Size>(a_stride));
    if constexpr (P == 2) _tile_loadd(7, b + b_panels, static_cast<Size>(b_stride));
    if constexpr (R == 2) _tile_loadd(5, a + a_rows, static_cast<Size>(a_stride));
  }

  static void add_bf16() {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (P == 2) _tile_dpbf16ps(1, 4, 7);
    if constexpr (R == 2) _tile_dpbf16ps(2, 5, 6);
    if constexpr (R == 2 && P == 2) _tile_dpbf16ps(3, 5, 7);
  }

  /// Signed bytes.
  static void add_int8() {
    _tile_dpbssd(0, 4, 6);
    if constexpr (P == 2) _tile_dpbssd(1, 4, 7);
    if constexpr (R == 2) _tile_dpbssd(2, 5, 6);
    if constexpr (R == 2 && P == 2) _tile_dpbssd(3, 5, 7);
  }

  /// c [R * 16][P * 16], `stride` numbers from row to row.
  static void load_rows(const float* c, int64_t stride) {
    const Size bytes = 4 * static_cast<Size>(stride);
    order_memory();
    _tile_loadd(0, c, bytes);
    if constexpr (P == 2) _tile_loadd(1, c + 16, bytes);
    if constexpr (R == 2) _tile_loadd(2, c + 16 * stride, bytes);
    if constexpr (R == 2 && P == 2) _tile_loadd(3, c + 16 * stride + 16, bytes);
  }
  static void store_rows(float* c, int64_t stride) {
    const Size bytes = 4 * static_cast<Size>(stride);
    _tile_stored(0, c, bytes);
    if constexpr (P == 2) _tile_stored(1, c + 16, bytes);
    if constexpr (R == 2) _tile_stored(2, c + 16 * stride, bytes);
    if constexpr (R == 2 && P == 2) _tile_stored(3, c + 16 * stride + 16, bytes);
    order_memory();
  }

  /// Tiles [16][16] of 32-bit numbers; bytes from one to the next.
  static void store(void* out, int64_t next_row, int64_t next_panel) {
    uint8_t* to = static_cast<uint8_t*>(out);
    _tile_stored(0, to, 64);
    if constexpr (P == 2) _tile_stored(1, to + next_panel, 64);
    if constexpr (R == 2) _tile_stored(2, to + next_row, 64);
    if constexpr (R == 2 && P == 2) _tile_stored(3, to + next_row + next_panel, 64);
    order_memory();
  }
  /// out [R][P][16][16].
  static void store(void* out) { store(out, 1024 * P, 1024); }
};

/// Two rows of up to three tiles or one of up to six, in registers of TileRegisters(, 6, 7): C
/// tiles 0 to 2 and 3 to 5, or 0 to 5. A block of tiles in memory is [2][3] or [6] [16][16] 32-bit
/// numbers.
template <int R, int P>
struct ProductTiles {
  static_assert((R == 2 && P >= 1 && P <= 3) || (R == 1 && P >= 1 && P <= 6));
  static constexpr int kProducts = R * P;  // of a step

  // The order of a step's products: down one panel and up the next, so that each panel is loaded
  // once and every second product finds its A in place.
  static constexpr int panel_of(int product) { return product / R; }
  static constexpr int row_of(int product) {
    return panel_of(product) % 2 == 0 ? product % R : R - 1 - product % R;
  }

  static void zero() {
    order_memory();
    each_tile([](auto tile) { zero_tile<decltype(tile)::kTile>(); });
  }
  static void store(void* block) {
    uint8_t* to = static_cast<uint8_t*>(block);
    each_tile([&](auto tile) { store_tile<decltype(tile)::kTile>(to); });
    order_memory();
  }

  /// One step along K of an A of R times 16 rows of 64 bytes, one after the other, and P panels.
  /// after(product): vector work beside each product. kRestart: C goes to `block` and begins anew,
  /// each tile just before its product, when its last one is long done.
  template <bool kInt8, bool kRestart, typename After>
  [[gnu::always_inline]] static void add_product(const uint8_t* a, const uint8_t* b,
                                                 int64_t b_panels, void* block, After&& after) {
    order_memory();
    add_from<kInt8, kRestart, 0>(a, b, b_panels, static_cast<uint8_t*>(block), after);
  }

 private:
  template <bool kInt8, bool kRestart, int kProduct, typename After>
  [[gnu::always_inline]] static void add_from(const uint8_t* a, const uint8_t* b, int64_t b_panels,
                                              uint8_t* block, After& after) {
    constexpr int kTileRow = row_of(kProduct), kTilePanel = panel_of(kProduct),
                  kTile = 3 * kTileRow + kTilePanel;
    if constexpr (kProduct % R == 0) _tile_loadd(7, b + kTilePanel * b_panels, 64);
    if constexpr (kProduct % R != 0 || kProduct == 0) _tile_loadd(6, a + 1024 * kTileRow, 64);
    if constexpr (kRestart) {
      store_tile<kTile>(block);
      zero_tile<kTile>();
      order_memory();
    }
    add<kInt8, kTile>();
    after(kProduct);
    if constexpr (kProduct + 1 < kProducts) {
      add_from<kInt8, kRestart, kProduct + 1>(a, b, b_panels, block, after);
    }
  }

  template <int C>
  struct Tile {
    static constexpr int kTile = C;
  };
  template <typename Fn>
  [[gnu::always_inline]] static void each_tile(Fn&& fn) {
    fn(Tile<0>{});
    if constexpr (P > 1) fn(Tile<1>{});
    if constexpr (P > 2) fn(Tile<2>{});
    if constexpr (R > 1 || P > 3) fn(Tile<3>{});
    if constexpr ((R > 1 && P > 1) || P > 4) fn(Tile<4>{});
    if constexpr ((R > 1 && P > 2) || P > 5) fn(Tile<5>{});
  }

  // GCC's intrinsics take numbers of registers as text.
  template <int C>
  [[gnu::always_inline]] static void zero_tile() {
    if constexpr (C == 0) _tile_zero(0);
    if constexpr (C == 1) _tile_zero(1);
    if constexpr (C == 2) _tile_zero(2);
    if constexpr (C == 3) _tile_zero(3);
    if constexpr (C == 4) _tile_zero(4);
    if constexpr (C == 5) _tile_zero(5);
  }
  /// To its place in a block.
  template <int C>
  [[gnu::always_inline]] static void store_tile(uint8_t* block) {
    if constexpr (C == 0) _tile_stored(0, block, 64);
    if constexpr (C == 1) _tile_stored(1, block + 1024, 64);
    if constexpr (C == 2) _tile_stored(2, block + 2048, 64);
    if constexpr (C == 3) _tile_stored(3, block + 3072, 64);
    if constexpr (C == 4) _tile_stored(4, block + 4096, 64);
    if constexpr (C == 5) _tile_stored(5, block + 5120, 64);
  }
  /// C += A x B.
  template <bool kInt8, int C>
  [[gnu::always_inline]] static void add() {
    if constexpr (kInt8) {
      if constexpr (C == 0) _tile_dpbssd(0, 6, 7);
      if constexpr (C == 1) _tile_dpbssd(1, 6, 7);
      if constexpr (C == 2) _tile_dpbssd(2, 6, 7);
      if constexpr (C == 3) _tile_dpbssd(3, 6, 7);
      if constexpr (C == 4) _tile_dpbssd(4, 6, 7);
      if constexpr (C == 5) _tile_dpbssd(5, 6, 7);
    } else {
      if constexpr (C == 0) _tile_dpbf16ps(0, 6, 7);
      if constexpr (C == 1) _tile_dpbf16ps(1, 6, 7);
      if constexpr (C == 2) _tile_dpbf16ps(2, 6, 7);
      if constexpr (C == 3) _tile_dpbf16ps(3, 6, 7);
      if constexpr (C == 4) _tile_dpbf16ps(4, 6, 7);
      if constexpr (C == 5) _tile_dpbf16ps(5, 6, 7);
    }
  }
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
