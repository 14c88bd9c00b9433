#pragma once
// Internal to config/: the steps of loading, in three files.
#include "config/model/model_config.h"
#include "config/problems.h"

namespace fathom::io {
class JsonValue;
}

namespace fathom {

/// Which forward pass the file asks for; a problem names the supported ones.
std::optional<Architecture> read_architecture(const io::JsonValue& json, Problems& problems);

/// Every key but the architecture: kinds, presence, ranges; absent optional ones get the
/// architecture's default.
ModelConfig read_model_config(const io::JsonValue& json, Architecture architecture,
                              Problems& problems);

/// rope_theta and rope_scaling. The published spelling has them side by side; transformers 5 writes
/// rope_parameters with both inside. As there, a non-empty rope_scaling wins.
void read_rope(const io::JsonValue& json, ModelConfig& config, Problems& problems);
void read_dtype(const io::JsonValue& json, ModelConfig& config, Problems& problems);
/// A list of strings; absent or null is an empty one. `prefix` stands before keys in messages.
std::vector<std::string> read_texts(const io::JsonValue& object, const std::string& prefix,
                                    const char* key, Problems& problems);
/// The members of a `compressed-tensors` config; whatever it asks for beyond packed integer weights
/// and FP8 blocks is a problem.
void read_compressed_tensors(const io::JsonValue& json, const std::string& prefix,
                             QuantizationConfig& quantization, Problems& problems);
io::JsonValue compressed_tensors_json(const QuantizationConfig& quantization);
void read_quantization(const io::JsonValue& json, ModelConfig& config, Problems& problems);

/// Keys outside the field list that would change the result.
void check_foreign_keys(const io::JsonValue& json, Problems& problems);
/// Layers that attend to the last `sliding_window` tokens only. In Qwen they are off unless
/// `use_sliding_window`, and `layer_types` decides where it is given.
void check_sliding_window(const io::JsonValue& json, const ModelConfig& config, Problems& problems);

/// Ranges of every field and every rule across fields (model_config_validate.cc).
void check_model_config(const ModelConfig& config, Problems& problems);

}  // namespace fathom
