#include "serve/accounts/keys/secret.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "base/error.h"

namespace fathom::serve {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kShownCharacters = 8;
constexpr std::string_view kHexDigits = "0123456789abcdef";

std::string base64url(const u8* bytes, size_t size) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  u32 bits = 0;
  int count = 0;
  for (size_t i = 0; i < size; ++i) {
    bits = (bits << 8) | bytes[i];
    for (count += 8; count >= 6; count -= 6) text += kLetters[(bits >> (count - 6)) & 63];
  }
  if (count > 0) text += kLetters[(bits << (6 - count)) & 63];
  return text;
}

int hex_value(char c) {
  if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  const size_t at = kHexDigits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string make_secret() {
  std::array<u8, kSecretBytes> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw Error(ErrorCode::kIo, "the system gave no random numbers for a key");
  }
  std::string secret = std::string(kSecretPrefix) + base64url(bytes.data(), bytes.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return secret;
}

KeyDigest digest_of(std::string_view secret) {
  KeyDigest digest;
  SHA256(reinterpret_cast<const u8*>(secret.data()), secret.size(), digest.data());
  return digest;
}

std::string shown_part(std::string_view secret) {
  if (secret.starts_with(kSecretPrefix)) secret.remove_prefix(kSecretPrefix.size());
  return std::string(secret.substr(0, kShownCharacters));
}

bool is_same(const KeyDigest& a, const KeyDigest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(const KeyDigest& digest) {
  std::string hex;
  for (const u8 byte : digest) {
    hex += kHexDigits[byte >> 4];
    hex += kHexDigits[byte & 15];
  }
  return hex;
}

bool from_hex(std::string_view hex, KeyDigest& digest) {
  if (hex.size() != 2 * digest.size()) return false;
  for (size_t i = 0; i < digest.size(); ++i) {
    const int high = hex_value(hex[2 * i]);
    const int low = hex_value(hex[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    digest[i] = static_cast<u8>(high * 16 + low);
  }
  return true;
}

}  // namespace fathom::serve
