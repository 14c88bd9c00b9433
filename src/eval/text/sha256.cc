#include "eval/text/sha256.h"

#include <openssl/sha.h>

#include <array>

#include "base/types.h"

namespace fathom::eval {

std::string sha256_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<u8, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const u8*>(bytes.data()), bytes.size(), digest.data());
  std::string hex;
  for (const u8 byte : digest) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

}  // namespace fathom::eval
