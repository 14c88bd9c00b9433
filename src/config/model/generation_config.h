#pragma once
// generation_config.json: the sampling that a checkpoint's authors recommend.
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom {

/// Absent keys are nullopt: the caller's own default applies. What shapes a draw is not read where
/// the file itself draws nothing (do_sample false, temperature 0).
struct GenerationConfig {
  std::optional<bool> do_sample;  // false: greedy
  std::optional<double> temperature;
  std::optional<double> top_p;  // above 0; a file's 0, the likeliest token alone, is tiny here
  std::optional<i64> top_k;     // 0: all; the file may say -1, as vLLM does
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<i64> max_new_tokens;
  std::vector<i64> eos_token_id;  // one or several; empty: the model config's
};

/// From a model directory; all nullopt if it has no generation_config.json, or for a model that is
/// one file. Unknown keys are ignored (they are defaults, not part of the model), and so are
/// `overridden` ones, which the caller has values for; wrong kinds and ranges of the others are
/// refused, all at once.
[[nodiscard]] Result<GenerationConfig> load_generation_config(
    const std::filesystem::path& model, std::span<const std::string_view> overridden = {});
[[nodiscard]] Result<GenerationConfig> parse_generation_config(
    std::string_view text, const std::string& where = "generation_config.json",
    std::span<const std::string_view> overridden = {});

}  // namespace fathom
