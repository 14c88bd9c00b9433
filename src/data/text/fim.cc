#include "data/text/fim.h"

#include <algorithm>

#include "data/text/streams.h"

namespace fathom::data {
namespace {

/// Of the text.size() + 1 places in `text`, the one that 32 random bits choose.
size_t place_in(std::string_view text, u32 random) {
  auto place =
      static_cast<size_t>(static_cast<unsigned __int128>(random) * (text.size() + 1) >> 32);
  while (place > 0 && place < text.size() && (static_cast<u8>(text[place]) & 0xC0) == 0x80) {
    --place;
  }
  return place;
}

}  // namespace

std::optional<FimPieces> draw_fim(std::string_view text, double rate, u64 seed, u64 document) {
  const Philox random(seed, kFimStream);
  if (random.uniform(2 * document) >= rate) return std::nullopt;
  const auto words = random.at(2 * document + 1);
  size_t begin = place_in(text, words[0]), end = place_in(text, words[1]);
  if (begin > end) std::swap(begin, end);
  return FimPieces{text.substr(0, begin), text.substr(begin, end - begin), text.substr(end)};
}

}  // namespace fathom::data
