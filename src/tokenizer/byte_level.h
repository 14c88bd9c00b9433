#pragma once
// GPT-2's byte alphabet: each of the 256 bytes has a printable character that stands for it in the
// files of a byte-level tokenizer (0x20 is written "Ġ"). Inside fathom a token is its raw bytes;
// this spelling exists only at the edge, in tokenizer.json.
#include <optional>
#include <string>
#include <string_view>

namespace fathom::tokenizer {

/// Raw bytes -> their spelling in tokenizer.json (UTF-8): " a" -> "Ġa".
std::string spell_bytes(std::string_view bytes);

/// The reverse; nullopt if `spelling` holds a character outside the alphabet (special tokens do).
std::optional<std::string> unspell_bytes(std::string_view spelling);

}  // namespace fathom::tokenizer
