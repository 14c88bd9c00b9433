#pragma once
// From characters to the bytes that spell them.
#include <string_view>

#include "grammar/regex/regex_arena.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {

/// How a text's characters are written.
enum class Spelling {
  kUtf8,  // as they are
  /// Inside a JSON string (RFC 8259 §7): as they are but for ", \ and controls, or escaped in any
  /// way: \n, \u000a, \uD83D\uDE00. Lone surrogates spell no character.
  kJson,
};

/// One character of `set`, in every way to spell it.
Regex one_of(RegexArena& arena, const tokenizer::CodePointSet& set, Spelling spelling);
/// Every spelling of `text`, which is valid UTF-8.
Regex all_spellings(RegexArena& arena, std::string_view text, Spelling spelling);
/// Any text: valid UTF-8, or what may stand between the quotes of a JSON string.
Regex any_text(RegexArena& arena, Spelling spelling);

/// Those that a JSON string holds as they are.
const tokenizer::CodePointSet& plain_characters();
/// Every Unicode scalar value.
const tokenizer::CodePointSet& all_characters();

}  // namespace fathom::grammar
