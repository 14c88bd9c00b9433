#pragma once
// What the tile unit does at most; peak.inl has the vector units.
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/isa/tiles_amx.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int64_t kProductsOfTiles = 4;  // of one round, each into a C of its own
constexpr int64_t kBf16Operations = 2 * 16 * 16 * 32 * kProductsOfTiles;

float peak_bf16_tiles(int64_t rounds) {
  const TileRegisters registers;
  float sums[4 * 256];
  TileBlock<2, 2>::zero();
  alignas(64) static constexpr uint8_t kZeros[2048] = {};
  TileBlock<2, 2>::load(kZeros, 64, 1024, kZeros, 1024);
  for (int64_t i = 0; i < rounds; ++i) TileBlock<2, 2>::add_bf16();
  TileBlock<2, 2>::store(sums);
  return sums[0];
}

float peak_int8_tiles(int64_t rounds) {
  const TileRegisters registers;
  int32_t sums[4 * 256];
  TileBlock<2, 2>::zero();
  alignas(64) static constexpr uint8_t kZeros[2048] = {};
  TileBlock<2, 2>::load(kZeros, 64, 1024, kZeros, 1024);
  for (int64_t i = 0; i < rounds; ++i) TileBlock<2, 2>::add_int8();
  TileBlock<2, 2>::store(sums);
  return static_cast<float>(sums[0]);
}

}  // namespace

extern const PeakKernel kPeakBf16Tiles, kPeakInt8Tiles;
const PeakKernel kPeakBf16Tiles = {peak_bf16_tiles, kBf16Operations};
const PeakKernel kPeakInt8Tiles = {peak_int8_tiles, 2 * kBf16Operations};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
