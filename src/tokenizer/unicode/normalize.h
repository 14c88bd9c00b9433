#pragma once
// Unicode's canonical normalisation, NFC and NFD, with the data of Hugging Face `tokenizers` 0.23,
// whose Unicode version is older there than that of its patterns: to marks that it does not know it
// gives the combining class 0. The data is normalization_table.inc, made by
// tools/make_normalization_table.py.
// Source: Unicode Standard Annex #15; chapter 3.12 of the standard for Hangul.
#include <string>
#include <string_view>

namespace fathom::tokenizer {

enum class NormalizationForm {
  kNfc,  // decomposed, marks in order, then composed
  kNfd,  // decomposed, marks in order
};

/// `text` itself, which must be valid UTF-8, where it is in that form already, else a copy kept in
/// `storage`, which may be what `text` views no part of. O(n log n) for n bytes, and that only for
/// runs of marks.
std::string_view normalize(std::string_view text, NormalizationForm form, std::string& storage);

}  // namespace fathom::tokenizer
