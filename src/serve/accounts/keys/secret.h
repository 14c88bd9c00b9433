#pragma once
// Keys as their owners hold them. The server keeps digests alone.
#include <array>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::serve {

inline constexpr std::string_view kSecretPrefix = "sk-fathom-";

using KeyDigest = std::array<u8, 32>;  // SHA-256

/// "sk-fathom-" and 32 random bytes in base64url. Throws Error{kIo} if the system has no random
/// numbers.
std::string make_secret();
KeyDigest digest_of(std::string_view secret);
/// What people tell keys apart by: 8 characters behind "sk-fathom-", or the first 8 of a key of
/// another maker.
std::string shown_part(std::string_view secret);
/// In a time that does not depend on where they differ.
bool is_same(const KeyDigest& a, const KeyDigest& b);

/// 64 hexadecimal digits, and back; false if it is not that.
std::string to_hex(const KeyDigest& digest);
bool from_hex(std::string_view hex, KeyDigest& digest);

}  // namespace fathom::serve
