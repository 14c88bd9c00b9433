// quantization_config: which method wrote the weights, and of DeepSeek's own (`fp8`) what it says.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/model/model_config_load.h"
#include "config/model/quantization_reader.h"
#include "config/model/whole_number.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::describe;
using io::JsonValue;

struct OtherMethod {
  std::string_view name;
  std::string_view what;
};

constexpr std::array kOtherMethods = {
    OtherMethod{"gptq", "GPTQ's packed integers with zero points"},
    OtherMethod{"awq", "AWQ's packed integers with zero points"},
    OtherMethod{"bitsandbytes", "bitsandbytes' NF4 or INT8"},
    OtherMethod{"modelopt", "NVIDIA ModelOpt's NVFP4 or per-tensor FP8"},
    OtherMethod{"modelopt_fp4", "NVIDIA ModelOpt's NVFP4"},
    OtherMethod{"mxfp4", "MXFP4 blocks"},
    OtherMethod{"fbgemm_fp8", "FP8 with a scale a row"},
    OtherMethod{"quark", "AMD Quark's formats"},
    OtherMethod{"torchao", "torchao's tensor types"},
    OtherMethod{"hqq", "HQQ's integers with zero points"},
    OtherMethod{"aqlm", "AQLM's codebooks"},
    OtherMethod{"exl2", "ExLlamaV2's mixed integers"},
    OtherMethod{"exl3", "ExLlamaV3's trellis codes"},
    OtherMethod{"quanto", "Quanto's tensor types"},
    OtherMethod{"auto-round", "AutoRound's packed integers"},
    OtherMethod{"ptpc_fp8", "FP8 with a scale a row"},
};

/// The method of a config that names none: its readers know it by its keys.
std::string_view guess_method(const JsonValue& json) {
  for (const auto& [key, method] :
       {std::pair{"load_in_4bit", "bitsandbytes"}, std::pair{"load_in_8bit", "bitsandbytes"},
        std::pair{"quant_algo", "modelopt"}, std::pair{"w_bit", "awq"},
        std::pair{"desc_act", "gptq"}}) {
    if (json.find(key) != nullptr) return method;
  }
  return "";
}

void refuse_method(const JsonValue& json, QuantizationReader& reader, Problems& problems) {
  const JsonValue* found = reader.find("quant_method");
  const std::string_view name =
      found != nullptr && found->is_string() ? found->as_string() : guess_method(json);
  const auto known = std::ranges::find(kOtherMethods, name, &OtherMethod::name);
  std::string text = fmt::format("only fp8 or compressed-tensors is supported, found {}",
                                 found == nullptr     ? std::string("nothing")
                                 : found->is_string() ? found->as_string()
                                                      : describe(*found));
  if (known != kOtherMethods.end()) {
    text += fmt::format(" ({}{}); take the model's unquantised weights, or a GGUF file of it",
                        found == nullptr ? "the keys are those of " : "", known->what);
  }
  problems.unsupported(reader.name_of("quant_method"), std::move(text));
}

void read_block_size(QuantizationReader& reader, QuantizationConfig& quantization,
                     Problems& problems) {
  const JsonValue* block = reader.find("weight_block_size");
  if (block == nullptr) return;
  const bool pair = block->is_array() && block->as_array().size() == 2 &&
                    whole_number(block->as_array()[0]) && whole_number(block->as_array()[1]);
  if (!pair) {
    problems.invalid(reader.name_of("weight_block_size"),
                     "expected two integers, found " + describe(*block));
    return;
  }
  for (const JsonValue& extent : block->as_array()) {
    quantization.weight_block_size.push_back(*whole_number(extent));
  }
}

/// As DeepSeek-V3 is released, and as transformers' FineGrainedFP8Config writes it.
void read_released_fp8(QuantizationReader& reader, QuantizationConfig& quantization,
                       Problems& problems) {
  quantization.fmt = reader.optional_text("fmt", {"e4m3"});
  quantization.activation_scheme = reader.optional_text("activation_scheme", {"dynamic"});
  const std::string_view scales = reader.optional_text("scale_fmt", {"float", "ue8m0"});
  quantization.scale_fmt = scales == "float" ? "" : scales;
  read_block_size(reader, quantization, problems);
  quantization.ignore = reader.texts("modules_to_not_convert");
  if (quantization.ignore.empty()) quantization.ignore = reader.texts("ignored_layers");
  // Which tensor is FP8 is read off the tensors; how inputs are rounded is an option of the run.
  reader.harmless({"quant_method", "ignored_layers", "modules_to_convert", "dequantize",
                   "is_checkpoint_fp8_serialized"});
  reader.optional_text("expert_dtype", {"fp8"});
  reader.refuse_unknown_keys();
}

}  // namespace

void read_quantization(const JsonValue& json, ModelConfig& config, Problems& problems) {
  // compressed-tensors' first releases wrote "compression_config".
  for (const char* key : {"quantization_config", "compression_config"}) {
    const JsonValue* value = json.find(key);
    if (value == nullptr || is_empty(*value)) continue;
    if (!value->is_object()) {
      problems.invalid(key, "expected an object, found " + describe(*value));
      return;
    }
    QuantizationConfig& quantization = config.quantization_config.emplace();
    quantization.weight_block_size.clear();
    QuantizationReader reader(*value, std::string(key) + ".", problems);
    const JsonValue* method = reader.find("quant_method");
    quantization.quant_method = method != nullptr && method->is_string() ? method->as_string() : "";
    if (quantization.is_compressed_tensors()) {
      read_compressed_tensors(*value, std::string(key) + ".", quantization, problems);
    } else if (quantization.quant_method == "fp8") {
      read_released_fp8(reader, quantization, problems);
    } else {
      refuse_method(*value, reader, problems);
    }
    return;
  }
}

}  // namespace fathom
