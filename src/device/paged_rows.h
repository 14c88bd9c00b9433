#pragma once
// How cached rows lie in memory: in pages, so that sequences can share those of a common prefix.
#include "device/op.h"
#include "device/quantize.h"

namespace fathom::device {

/// Tokens of a page. 128 is what a core works on at a time in latent attention, so that a chunk of
/// keys never crosses a page; two pages are one tile of keys for prefill. V3's page of BF16 latents
/// has 8.6 MiB.
inline constexpr i64 kPageTokens = 128;

/// A page holds kPageTokens rows of every layer, layer after layer: [layers, kPageTokens, row].
struct PageShape {
  i64 layers = 0;
  i64 row_bytes = 0;

  i64 layer_bytes() const { return kPageTokens * row_bytes; }
  i64 page_bytes() const { return layers * layer_bytes(); }
};

/// One layer's rows of one sequence: row r begins at pages[r / kPageTokens] + offset_bytes +
/// (r % kPageTokens) * layout.row_bytes().
struct PagedRows {
  CacheRowLayout layout;
  u8* const* pages = nullptr;
  i64 offset_bytes = 0;  // of the layer within a page

  u8* row(i64 r) const {
    return pages[r / kPageTokens] + offset_bytes + r % kPageTokens * layout.row_bytes();
  }
};

struct CacheStoreRows {
  static constexpr const char* kName = "cache_store_rows";
  View<const float, 2> x;
  PagedRows rows;
  i64 first_row;
};
struct CacheLoadRows {
  static constexpr const char* kName = "cache_load_rows";
  PagedRows rows;
  i64 first_row;
  View<float, 2> out;
};

}  // namespace fathom::device
