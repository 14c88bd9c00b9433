#include "report/metrics/crc32c.h"

#include <array>
#include <bit>

namespace fathom::report {
namespace {

constexpr std::array<u32, 256> make_table() {
  std::array<u32, 256> table = {};
  for (u32 byte = 0; byte < 256; ++byte) {
    u32 crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[byte] = crc;
  }
  return table;
}
constexpr std::array<u32, 256> kTable = make_table();

}  // namespace

u32 crc32c(std::string_view bytes) {
  u32 crc = ~0u;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<u8>(byte)) & 0xFF];
  return ~crc;
}

u32 masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u; }

}  // namespace fathom::report
