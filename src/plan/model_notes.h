#pragma once
// What a reader should know about a model beyond its sizes.
#include <string>
#include <vector>

#include "config/model/model_config.h"

namespace fathom::plan {

/// One sentence for each way in which this config differs from DeepSeek-V3's (or, for a dense
/// model, from plain Llama's), or has a consequence that its keys do not show: query compression
/// absent, no expert groups, softmax routing, a changed softmax scale, YaRN's ramp as a step,
/// epsilons that differ, tied embeddings, FP8 storage, MTP. Empty for a config without any.
std::vector<std::string> model_notes(const ModelConfig& config);

}  // namespace fathom::plan
