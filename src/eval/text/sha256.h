#pragma once
#include <string>
#include <string_view>

namespace fathom::eval {

/// SHA-256 of the bytes as 64 lower-case hexadecimal digits: what lm-eval calls a hash.
std::string sha256_hex(std::string_view bytes);

}  // namespace fathom::eval
