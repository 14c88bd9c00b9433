#pragma once
// Text as the bytes of a .gz or .zst file.
#include <zlib.h>
#include <zstd.h>

#include <string>
#include <string_view>

#include "base/check.h"
#include "base/types.h"

namespace fathom::testing {

inline std::string gzip(std::string_view text) {
  z_stream stream = {};
  FATHOM_CHECK(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) ==
               Z_OK);
  std::string out(::deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  FATHOM_CHECK(::deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

/// `window_log` 0: zstd's own choice. Otherwise as for text that is streamed, whose length the file
/// does not say.
inline std::string zstd(std::string_view text, int window_log = 0) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  if (window_log > 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 12);
  }
  std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_outBuffer output = {out.data(), out.size(), 0};
  ZSTD_inBuffer first = {text.data(), text.size() / 2, 0};
  ZSTD_inBuffer rest = {text.data() + first.size, text.size() - first.size, 0};
  FATHOM_CHECK(ZSTD_compressStream2(context, &output, &first, ZSTD_e_continue) == 0 ||
               first.pos == first.size);
  FATHOM_CHECK(ZSTD_compressStream2(context, &output, &rest, ZSTD_e_end) == 0);
  ZSTD_freeCCtx(context);
  out.resize(output.pos);
  return out;
}

/// Text that compresses, but not to nothing.
inline std::string sample_text(size_t bytes) {
  std::string text;
  u32 state = 1;
  while (text.size() < bytes) {
    state = state * 1664525 + 1013904223;
    text += "word" + std::to_string(state >> 24) + (state % 7 == 0 ? "\n" : " ");
  }
  text.resize(bytes);
  return text;
}

}  // namespace fathom::testing
