#pragma once
// generation_config.json: the sampling that a checkpoint's authors recommend.
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom {

/// Absent keys are nullopt: the caller's own default applies.
struct GenerationConfig {
  std::optional<bool> do_sample;  // false: greedy
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<i64> top_k;
  std::optional<double> min_p;
  std::optional<double> repetition_penalty;
  std::optional<i64> max_new_tokens;
  std::optional<i64> bos_token_id;
  std::vector<i64> eos_token_id;  // one or several; empty: the model config's
};

/// From a model directory; all nullopt if it has no generation_config.json, or for a model that is
/// one file. Unknown keys are
/// ignored (they are defaults, not part of the model); wrong kinds and ranges are refused, all at
/// once.
[[nodiscard]] Result<GenerationConfig> load_generation_config(const std::filesystem::path& model);
[[nodiscard]] Result<GenerationConfig> parse_generation_config(
    std::string_view text, const std::string& where = "generation_config.json");

}  // namespace fathom
