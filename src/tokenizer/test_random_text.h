#pragma once
// For this module's tests: random text in which the cases that splitting rules distinguish are
// common.
#include <string>

#include "base/rng.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {

class RandomText {
 public:
  explicit RandomText(u64 stream) : rng_(20241226, stream) {}

  /// 0 to max_characters - 1 characters of valid UTF-8.
  std::string text(u32 max_characters) {
    // Letters, digits, marks, punctuation, white space and what is none of them, of several
    // scripts.
    static constexpr char32_t kCommon[] =
        U"aZs'ltrevdmLE .,-!$\n\r\t  "
        U"19\u00e9\u017f\u0301\u00a0\u3000的カ・゛한א٣²Ⅷ\u200d\u2028😀＿、";
    constexpr u32 kNumCommon = sizeof(kCommon) / sizeof(kCommon[0]) - 1;
    std::string out;
    for (u32 count = below(max_characters); count > 0; --count) {
      const char32_t c = below(8) != 0 ? kCommon[below(kNumCommon)] : below(0x30000);
      append_utf8(c >= 0xD800 && c <= 0xDFFF ? U'x' : c, out);
    }
    return out;
  }

  std::string bytes(u32 max_bytes) {
    std::string out;
    for (u32 count = below(max_bytes); count > 0; --count)
      out.push_back(static_cast<char>(below(256)));
    return out;
  }

  u32 below(u32 bound) { return static_cast<u32>(rng_.uniform(next_++) * bound) % bound; }

 private:
  Philox rng_;
  u64 next_ = 0;
};

}  // namespace fathom::tokenizer
