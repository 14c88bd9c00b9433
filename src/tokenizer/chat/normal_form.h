#pragma once
// What two copies of one Jinja template have in common when they were re-indented, re-escaped or
// stored in another file. Tokens of the language are told apart, nothing is evaluated.
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::tokenizer {

/// Templates of equal normal form render equally under transformers' settings (trim_blocks,
/// lstrip_blocks). Gone are: comments, white space inside tags but outside quotes, white space that
/// Jinja's trimming removes, the trim marks themselves, one newline at the end, and the difference
/// between a newline and "\n" inside quotes. nullopt: a tag is not closed.
std::optional<std::string> chat_template_normal_form(std::string_view jinja);

/// FNV-1a, 64 bits, of the normal form: names a template without carrying its text. No defence
/// against a crafted collision, and none is needed: who writes a checkpoint chooses its template.
std::optional<u64> chat_template_hash(std::string_view jinja);
/// FNV-1a, 64 bits.
u64 fnv1a(std::string_view text);

}  // namespace fathom::tokenizer
