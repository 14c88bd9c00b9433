#pragma once
// Fill-in-the-middle: documents rearranged so that the model learns to write what is missing.
#include <optional>
#include <string_view>

#include "base/rng.h"
#include "base/types.h"

namespace fathom::data {

/// V3's tokens, as released. Source: DeepSeek-V3 §4.1; reference §9.6 (the paper writes ASCII
/// bars).
inline constexpr std::string_view kFimBegin = "<｜fim▁begin｜>";
inline constexpr std::string_view kFimHole = "<｜fim▁hole｜>";
inline constexpr std::string_view kFimEnd = "<｜fim▁end｜>";

/// Three pieces whose concatenation is the document; any may be empty.
struct FimPieces {
  std::string_view prefix;
  std::string_view middle;
  std::string_view suffix;
};

/// Decides by `rate` whether document number `document` is rearranged, and where it is cut: two
/// places uniform over its bytes, each moved back to the beginning of its character. `text` must be
/// valid UTF-8. The order PSM is: begin prefix hole suffix end middle.
std::optional<FimPieces> draw_fim(std::string_view text, double rate, u64 seed, u64 document);

}  // namespace fathom::data
