#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/model/model_config.h"
#include "config/model/test_edits.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonValue;
using ::testing::HasSubstr;

TEST(ModelConfigTest, QuantizationRules) {
  const auto fp8 = [](const char* quantization) {
    return error_of("deepseek-v3", {{"quantization_config", json_of(quantization)}});
  };
  EXPECT_EQ(fp8(R"({"quant_method": "fp8", "weight_block_size": [128, 128]})"), "no error");
  EXPECT_EQ(fp8("null"), "no error");
  EXPECT_THAT(fp8(R"({"quant_method": "gptq", "bits": 4})"),
              HasSubstr("quantization_config.quant_method: only fp8 or compressed-tensors is "
                        "supported, found gptq"));
  EXPECT_THAT(fp8(R"({"bits": 4})"),
              HasSubstr("only fp8 or compressed-tensors is supported, found nothing"));
  EXPECT_THAT(fp8(R"({"quant_method": "fp8"})"),
              HasSubstr("weight_block_size: only [128, 128] is supported, found []"));
  EXPECT_THAT(fp8(R"({"quant_method": "fp8", "weight_block_size": [64, 128], "fmt": "e5m2",
                      "activation_scheme": "static", "scale_fmt": "int"})"),
              HasSubstr("config.json: 4 problems"));
}

constexpr const char* kMixed = R"({
  "quant_method": "compressed-tensors", "format": "mixed-precision", "ignore": ["lm_head"],
  "config_groups": {
    "group_0": {"format": "float-quantized", "targets": ["re:.*self_attn.*"],
      "weights": {"num_bits": 8, "type": "float", "strategy": "block", "symmetric": true,
                  "dynamic": false, "block_structure": [128, 128], "group_size": null},
      "input_activations": {"num_bits": 8, "type": "float", "strategy": "group", "group_size": 128,
                            "dynamic": true, "symmetric": true}},
    "group_1": {"format": "pack-quantized", "targets": ["Linear"], "input_activations": null,
      "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32,
                  "symmetric": true, "dynamic": false}}}})";

TEST(ModelConfigTest, MixedCompressedTensorsIsReadAndSaved) {
  const auto read = [](const std::string& quantization) {
    return value_or_throw(parse_model_config(
        edited("deepseek-v3", {{"quantization_config", json_of(quantization.c_str())}})));
  };
  const ModelConfig config = read(kMixed);
  const QuantizationConfig& quantization = *config.quantization_config;
  EXPECT_TRUE(quantization.has_fp8());
  EXPECT_TRUE(quantization.has_integers());
  ASSERT_EQ(quantization.groups.size(), 2u);
  EXPECT_TRUE(quantization.groups[0].is_fp8);
  EXPECT_EQ(quantization.groups[1].num_bits, 4);
  EXPECT_EQ(quantization.groups[1].group_size, 32);
  const std::string saved = to_json(config);
  EXPECT_THAT(saved, HasSubstr("\"format\": \"mixed-precision\""));
  EXPECT_EQ(to_json(value_or_throw(parse_model_config(saved))), saved);
}

TEST(ModelConfigTest, MixedCompressedTensorsOfOtherKindsIsRefused) {
  const auto error_with = [](const std::string& from, const std::string& to) {
    std::string text = kMixed;
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << from;
    text.replace(at, from.size(), to);
    return error_of("deepseek-v3", {{"quantization_config", json_of(text.c_str())}});
  };
  EXPECT_EQ(error_with("lm_head", "lm_head"), "no error");
  EXPECT_THAT(error_with("mixed-precision", "nvfp4-pack-quantized"),
              HasSubstr("quantization_config.format: only pack-quantized or float-quantized or "
                        "mixed-precision is supported"));
  EXPECT_THAT(error_with("[128, 128]", "[64, 128]"),
              HasSubstr("group_0.weights.block_structure: only [128,128] is supported"));
  EXPECT_THAT(error_with("\"block\"", "\"channel\""),
              HasSubstr("group_0.weights.strategy: only block is supported"));
  EXPECT_THAT(error_with("\"group\", \"group_size\": 128", "\"token\", \"group_size\": 128"),
              HasSubstr("group_0.input_activations.strategy: only group is supported"));
  EXPECT_THAT(error_with("\"pack-quantized\"", "\"float-quantized\""),
              HasSubstr("group_1.format: only pack-quantized is supported"));
  EXPECT_THAT(error_with("\"type\": \"int\"", "\"type\": \"string\""),
              HasSubstr("group_1.weights.type: only int or float is supported"));
}

/// kMixed with `extra` after its first brace.
std::string mixed_with(const std::string& extra) { return "{" + extra + ", " + (kMixed + 1); }

std::string error_of_quantization(const std::string& text) {
  return error_of("deepseek-v3", {{"quantization_config", json_of(text.c_str())}});
}

// Fields of compressed-tensors' QuantizationConfig, and what llm-compressor and transformers add.
TEST(ModelConfigTest, KeysOfCompressedTensorsThatChangeTheResultAreRefused) {
  const char* rotation =
      R"("transform_config": {"config_groups": {"R4": {"type": "hadamard", "apply": []}}})";
  EXPECT_EQ(error_of_quantization(mixed_with(rotation)),
            "config.json: quantization_config.transform_config: only null is supported, found an "
            "object");
  EXPECT_THAT(error_of_quantization(mixed_with(R"("kv_cache_scheme": {"num_bits": 8})")),
              HasSubstr("quantization_config.kv_cache_scheme: only null is supported"));
  EXPECT_THAT(error_of_quantization(mixed_with(R"("sparsity_config": {"format": "sparse-24"})")),
              HasSubstr("sparsity_config: only null or the format dense is supported"));
  EXPECT_THAT(error_of_quantization(mixed_with(R"("quantization_status": "calibration")")),
              HasSubstr("quantization_status: only compressed or frozen is supported"));
  EXPECT_THAT(error_of_quantization(mixed_with(R"("smoothing": {"alpha": 0.5})")),
              HasSubstr("quantization_config.smoothing: found an object; what it does to the "
                        "weights is not known"));
  EXPECT_THAT(error_of_quantization(mixed_with(R"("smoothing": 0)")),
              HasSubstr("smoothing: found"));
  for (const char* harmless :
       {R"("transform_config": null)", R"("transform_config": {"config_groups": {}})",
        R"("kv_cache_scheme": {})", R"("sparsity_config": {"format": "dense", "targets": ["x"]})",
        R"("global_compression_ratio": 1.5)", R"("version": "0.12.2")", R"("run_compressed": true)",
        R"("quantization_status": "frozen")", R"("smoothing": [])", R"("smoothing": null)"}) {
    EXPECT_EQ(error_of_quantization(mixed_with(harmless)), "no error") << harmless;
  }
}

TEST(ModelConfigTest, KeysOfAGroupsWeightsAreEachLookedAt) {
  const auto with = [](const std::string& weights, const std::string& group = "\"format\": null") {
    return error_of_quantization(
        R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups": {
            "group_0": {"targets": "Linear", "weights": {"num_bits": 4, "type": "INT",
                        "group_size": 128, )" +
        weights + "}, " + group + "}}}");
  };
  for (const char* harmless :
       {R"("actorder": null)", R"("actorder": false)", R"("actorder": "static")",
        R"("actorder": "weight")", R"("actorder": "Static")", R"("strategy": "group")",
        R"("strategy": null)", R"("observer": "mse", "observer_kwargs": {"maxshrink": 0.2})",
        R"("scale_dtype": "torch.bfloat16", "zp_dtype": "torch.int8")",
        R"("symmetric": true, "dynamic": false, "block_structure": null)"}) {
    EXPECT_EQ(with(harmless), "no error") << harmless;
  }
  EXPECT_THAT(with(R"("actorder": "group")"),
              HasSubstr("group_0.weights.actorder: only none or static or weight is supported"));
  EXPECT_THAT(with(R"("actorder": true)"), HasSubstr("weights.actorder: only none or static"));
  EXPECT_THAT(with(R"("symmetric": false)"), HasSubstr("weights.symmetric: only true"));
  EXPECT_THAT(with(R"("dynamic": "local")"), HasSubstr("weights.dynamic: only false"));
  EXPECT_THAT(with(R"("strategy": "channel")"), HasSubstr("weights.strategy: only group"));
  EXPECT_THAT(with(R"("scale_dtype": "torch.float8_e4m3fn")"), HasSubstr("weights.scale_dtype"));
  EXPECT_THAT(with(R"("hadamard": "x")"), HasSubstr("group_0.weights.hadamard: found a string"));
  const char* sound = R"("actorder": null)";
  EXPECT_EQ(with(sound, R"("input_activations": null, "output_activations": {})"), "no error");
  EXPECT_THAT(with(sound, R"("input_activations": {"num_bits": 8})"),
              HasSubstr("group_0.input_activations: only null is supported"));
  EXPECT_THAT(with(sound, R"("output_activations": {"num_bits": 8})"),
              HasSubstr("group_0.output_activations: only null"));
  EXPECT_THAT(with(sound, R"("rotation": {"size": 64})"), HasSubstr("group_0.rotation: found"));
}

TEST(ModelConfigTest, KeysOfFp8BlocksAreEachLookedAt) {
  const auto with = [](const std::string& from, const std::string& to) {
    std::string text = kMixed;
    return error_of_quantization(text.replace(text.find(from), from.size(), to));
  };
  EXPECT_EQ(with("[128, 128]", "\"128x128\""), "no error");
  EXPECT_EQ(with("\"dynamic\": true", "\"dynamic\": true, \"observer\": null"), "no error");
  EXPECT_THAT(with("\"dynamic\": true", "\"dynamic\": true, \"clip\": 0.9"),
              HasSubstr("group_0.input_activations.clip: found the number 0.9"));
  EXPECT_THAT(with("\"dynamic\": true", "\"dynamic\": false"),
              HasSubstr("group_0.input_activations.dynamic: only true is supported"));
}

// Keys of transformers' FineGrainedFP8Config and of vLLM's Fp8Config.
TEST(ModelConfigTest, KeysOfReleasedFp8AreEachLookedAt) {
  const auto with = [](const std::string& extra) {
    return error_of_quantization(R"({"quant_method": "fp8", "weight_block_size": [128, 128], )" +
                                 extra + "}");
  };
  for (const char* harmless :
       {R"("scale_fmt": "float")", R"("scale_fmt": null)", R"("dequantize": true)",
        R"("modules_to_convert": ["lm_head"])", R"("ignored_layers": ["lm_head"])",
        R"("expert_dtype": "fp8")", R"("is_checkpoint_fp8_serialized": true)",
        R"("activation_scheme": "Dynamic")", R"("kv_cache_scheme": null)"}) {
    EXPECT_EQ(with(harmless), "no error") << harmless;
  }
  EXPECT_THAT(with(R"("expert_dtype": "fp4")"), HasSubstr("expert_dtype: only fp8 is supported"));
  EXPECT_THAT(with(R"("activation_scheme": "static")"), HasSubstr("only dynamic is supported"));
  EXPECT_THAT(with(R"("kv_cache_scheme": "fp8")"), HasSubstr("kv_cache_scheme: found a string"));
  EXPECT_THAT(with(R"("online_rotation": 1)"), HasSubstr("online_rotation: found the number 1"));
  const auto aliased = parse_model_config(edited(
      "deepseek-v3",
      {{"quantization_config", json_of(R"({"quant_method": "fp8", "ignored_layers": ["lm_head"],
                                           "weight_block_size": [128.0, 128]})")}}));
  EXPECT_EQ(value_or_throw(aliased).quantization_config->ignore.front(), "lm_head");
}

TEST(ModelConfigTest, OtherMethodsAreRefusedByName) {
  EXPECT_THAT(error_of_quantization(R"({"quant_method": "bitsandbytes", "load_in_4bit": true})"),
              HasSubstr("quant_method: only fp8 or compressed-tensors is supported, found "
                        "bitsandbytes (bitsandbytes' NF4 or INT8); take the model's unquantised"));
  EXPECT_THAT(error_of_quantization(R"({"quant_method": "modelopt"})"), HasSubstr("NVFP4"));
  EXPECT_THAT(error_of_quantization(R"({"quant_method": "awq"})"), HasSubstr("AWQ's packed"));
  EXPECT_THAT(error_of_quantization(R"({"load_in_8bit": true})"),
              HasSubstr("found nothing (the keys are those of bitsandbytes"));
  EXPECT_THAT(error_of_quantization(R"({"quant_method": "new"})"), HasSubstr("found new"));
  EXPECT_EQ(error_of_quantization("{}"), "no error");
  EXPECT_THAT(error_of("deepseek-v3", {{"quantization_config", JsonValue()},
                                       {"quantization", json_of(R"({"bits": 4})")}}),
              HasSubstr("quantization: found an object: MLX's quantisation is not supported"));
}

TEST(ModelConfigTest, TheFirstNameOfCompressedTensorsKeyIsRead) {
  const std::string text = edited("deepseek-v3", {{"quantization_config", std::nullopt},
                                                  {"compression_config", json_of(kMixed)}});
  const ModelConfig config = value_or_throw(parse_model_config(text));
  ASSERT_TRUE(config.quantization_config);
  EXPECT_TRUE(config.quantization_config->has_integers());
  const std::string plain = value_or_throw(with_storage(text, DType::kBF16, std::nullopt));
  EXPECT_FALSE(value_or_throw(parse_model_config(plain)).quantization_config);
}

}  // namespace
}  // namespace fathom
