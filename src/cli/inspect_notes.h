#pragma once
#include <optional>
#include <string>
#include <vector>

#include "config/model_config.h"

namespace fathom::cli {

/// In what a config differs from DeepSeek-V3's, as far as it matters to who runs it; one sentence
/// each. `tokenizer_ids`: ids that the tokenizer beside it has, if there is one.
std::vector<std::string> config_notes(const ModelConfig& config, std::optional<i64> tokenizer_ids);

}  // namespace fathom::cli
