#pragma once
// Which modules the lists of a quantization_config mean.
#include <string>
#include <string_view>

#include "config/model/model_config.h"
#include "config/model/parameter_list.h"

namespace fathom {

/// "model.layers.0.mlp.down_proj.weight" -> the module that holds it.
std::string module_of(const Parameter& parameter);

/// An entry of `targets` or `ignore` that means all linear layers of a part, and what vLLM fuses
/// from them: "re:.*\.self_attn\..*". Empty for parts that are no linear layers.
std::string_view target_of(ModelPart part);

/// Does an entry name this module? It is the module's name, or "re:" and a regular expression that
/// matches its beginning, as Python's re.match does. Of those this reads what such lists are
/// written with: characters, `\.`, `.`, `x*` and `.*`, `(a|b)` of plain alternatives, `$`. Any
/// other matches nothing.
bool matches_target(std::string_view target, std::string_view module);

/// How a linear layer is stored: as the group that names it, else as the one for all "Linear"; of
/// DeepSeek's form (`quant_method` fp8) all are FP8. nullptr: it stays as it was, being ignored
/// (there the name of a module stands for all within) or taken by no group. Valid as long as the
/// config.
const QuantizationGroup* group_of(const QuantizationConfig& quantization, std::string_view module);

}  // namespace fathom
