#include "config/model/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/model/model_config_fields.h"
#include "config/model/test_edits.h"
#include "io/json.h"

namespace fathom {
namespace {

using io::JsonValue;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(ModelConfigTest, ReadsDeepseekV3) {
  const ModelConfig c = preset("deepseek-v3");
  EXPECT_EQ(c.architecture, Architecture::kDeepseekV3);
  EXPECT_EQ(c.hidden_size, 7168);
  EXPECT_EQ(c.num_hidden_layers, 61);
  EXPECT_EQ(c.q_lora_rank, 1536);
  EXPECT_EQ(c.qk_head_dim(), 192);
  EXPECT_EQ(c.latent_dim(), 576);
  EXPECT_EQ(c.cache_elements_per_token(), 576 * 61);
  EXPECT_EQ(c.n_group, 8);
  EXPECT_EQ(c.topk_group, 4);
  EXPECT_EQ(c.scoring_func, ScoringFunc::kSigmoid);
  EXPECT_EQ(c.topk_method, TopkMethod::kNoauxTc);
  EXPECT_TRUE(c.norm_topk_prob);
  EXPECT_EQ(c.routed_scaling_factor, 2.5f);
  EXPECT_EQ(c.num_nextn_predict_layers, 1);
  EXPECT_EQ(c.rms_norm_eps, 1e-6f);
  EXPECT_TRUE(c.rope_interleave);
  ASSERT_TRUE(c.rope_scaling);
  EXPECT_EQ(c.rope_scaling->factor, 40);
  ASSERT_TRUE(c.quantization_config);
  EXPECT_EQ(c.quantization_config->scale_fmt, "");
  EXPECT_EQ(c.eos_token_id, std::vector<i64>{1});
  EXPECT_EQ(preset("deepseek-v3.1").quantization_config->scale_fmt, "ue8m0");
}

TEST(ModelConfigTest, ReadsTheRestOfTheFamily) {
  const ModelConfig v2 = preset("deepseek-v2");
  EXPECT_EQ(v2.architecture, Architecture::kDeepseekV2);
  EXPECT_EQ(v2.topk_method, TopkMethod::kGroupLimitedGreedy);
  EXPECT_EQ(v2.scoring_func, ScoringFunc::kSoftmax);
  EXPECT_EQ(v2.num_nextn_predict_layers, 0);
  const ModelConfig lite = preset("deepseek-v2-lite");
  EXPECT_EQ(lite.q_lora_rank, 0) << "null";
  EXPECT_EQ(lite.rope_scaling->mscale_all_dim, 0.707);
  const ModelConfig moonlight = preset("moonlight-16b-a3b");
  EXPECT_EQ(moonlight.rms_norm_eps, 1e-5f);
  EXPECT_FALSE(moonlight.rope_scaling);
  EXPECT_EQ(moonlight.rope_theta, 50000.0);
  const ModelConfig kimi = preset("kimi-k2");
  EXPECT_EQ(kimi.architecture, Architecture::kDeepseekV3);
  EXPECT_EQ(kimi.model_type, "kimi_k2");
  const ModelConfig llama = preset("deepseek-r1-distill-llama-8b");
  EXPECT_EQ(llama.architecture, Architecture::kLlama);
  EXPECT_EQ(llama.head_dim, 128) << "hidden_size / num_attention_heads";
  EXPECT_FALSE(llama.rope_interleave);
  EXPECT_EQ(llama.cache_elements_per_token(), 2 * 8 * 128 * 32);
  EXPECT_EQ(llama.latent_dim(), 0);
}

TEST(ModelConfigTest, MoeLayersStartAfterTheDenseOnes) {
  ModelConfig c = preset("deepseek-v3");
  EXPECT_FALSE(c.is_moe_layer(2));
  EXPECT_TRUE(c.is_moe_layer(3));
  EXPECT_TRUE(c.is_moe_layer(61)) << "the MTP module";
  c.moe_layer_freq = 2;
  EXPECT_FALSE(c.is_moe_layer(3));
  EXPECT_TRUE(c.is_moe_layer(4));
  c.n_routed_experts = 0;
  EXPECT_FALSE(c.is_moe_layer(4));
  EXPECT_FALSE(preset("deepseek-r1-distill-llama-8b").is_moe_layer(5));
}

TEST(ModelConfigTest, UnknownArchitecturesNameTheSupportedOnes) {
  EXPECT_EQ(error_of("deepseek-v3", {{"model_type", "deepseek_v33"}}),
            "config.json: model_type: found a string \"deepseek_v33\"; supported are deepseek_v3, "
            "kimi_k2, deepseek_v2, llama, qwen2 and qwen3; is deepseek_v3 meant?");
  EXPECT_THAT(error_of("deepseek-r1-distill-llama-8b",
                       {{"model_type", std::nullopt},
                        {"architectures", json_of("[\"MistralForCausalLM\"]")}}),
              AllOf(HasSubstr("architectures: found a string \"MistralForCausalLM\""),
                    HasSubstr("supported are DeepseekV3ForCausalLM, DeepseekV2ForCausalLM, "
                              "LlamaForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM")));
  EXPECT_THAT(error_of("deepseek-v3", {{"model_type", "llama"}}),
              HasSubstr("contradicts model_type llama"));
  EXPECT_THAT(error_of("{}"), HasSubstr("model_type: missing; supported are"));
  EXPECT_THAT(error_of("deepseek-v3", {{"architectures", "DeepseekV3ForCausalLM"}}),
              HasSubstr("expected an array of one string"));
  EXPECT_THAT(error_of("[]"), HasSubstr("expected an object"));
}

TEST(ModelConfigTest, ModelsThatAreOthersAreToldWhatIsNotSupported) {
  const auto v32 = [](JsonValue model_type) {
    return error_of("deepseek-v3", {{"model_type", std::move(model_type)},
                                    {"architectures", json_of("[\"DeepseekV32ForCausalLM\"]")},
                                    {"index_topk", 2048},
                                    {"index_n_heads", 64}});
  };
  for (const JsonValue& type : {JsonValue("deepseek_v32"), JsonValue("deepseek_v3"), JsonValue()}) {
    EXPECT_THAT(v32(type), AllOf(HasSubstr("DeepSeek sparse attention (V3.2) is not supported"),
                                 HasSubstr("index_topk: found the number 2048: DeepSeek sparse"),
                                 Not(HasSubstr("meant"))));
  }
  EXPECT_THAT(error_of("deepseek-v3", {{"model_type", "kimi_linear"}}),
              HasSubstr("linear attention is not supported; supported are"));
  EXPECT_THAT(
      error_of("deepseek-v3", {{"model_type", "x"}, {"text_config", json_of("{\"a\": 1}")}}),
      AllOf(HasSubstr("model_type: found"), HasSubstr("a multimodal model")));
}

TEST(ModelConfigTest, ListsEveryProblemAtOnce) {
  const std::string error = error_of("deepseek-v3", {{"hidden_size", std::nullopt},
                                                     {"hiden_size", 7168},
                                                     {"num_hidden_layers", "61"},
                                                     {"kv_lora_rank", -3},
                                                     {"hidden_act", "gelu"},
                                                     {"index_topk", 2048},
                                                     {"qk_rope_head_dim", 63},
                                                     {"num_nextn_predict_layers", -1}});
  EXPECT_THAT(error, HasSubstr("config.json: 7 problems:\n"));
  EXPECT_THAT(error, HasSubstr("\n  hidden_size: missing; the file has `hiden_size`"));
  EXPECT_THAT(error,
              HasSubstr("\n  num_hidden_layers: expected an integer, found a string \"61\""));
  EXPECT_THAT(error, HasSubstr("\n  kv_lora_rank: expected 1 to 1048576, found -3"));
  EXPECT_THAT(error, HasSubstr("\n  hidden_act: only silu is supported, found gelu"));
  EXPECT_THAT(error, HasSubstr("\n  index_topk: found the number 2048: DeepSeek sparse attention"));
  EXPECT_THAT(error, HasSubstr("\n  qk_rope_head_dim: expected an even number, found 63"));
  EXPECT_THAT(error, HasSubstr("\n  num_nextn_predict_layers: expected 0 to "));
}

TEST(ModelConfigTest, TellsWrongFromUnsupported) {
  const auto code = [](const std::string& text) { return parse_model_config(text).error().code(); };
  EXPECT_EQ(code(edited("deepseek-v3", {{"hidden_act", "gelu"}})), ErrorCode::kUnsupported);
  EXPECT_EQ(code(edited("deepseek-v3", {{"hidden_act", "gelu"}, {"hidden_size", 0}})),
            ErrorCode::kInvalidInput);
  EXPECT_EQ(load_model_config("no/such/dir").error().code(), ErrorCode::kNotFound);
}

TEST(ModelConfigTest, RoutingRules) {
  const auto v3 = [](const char* key, JsonValue value) {
    return error_of("deepseek-v3", {{key, std::move(value)}});
  };
  EXPECT_THAT(v3("scoring_func", "softmax"), HasSubstr("scoring_func: only sigmoid is supported"));
  EXPECT_THAT(v3("scoring_func", "sqrtsoftplus"), HasSubstr("expected softmax or sigmoid, found"));
  EXPECT_THAT(v3("topk_method", "greedy"), HasSubstr("topk_method: only noaux_tc is supported"));
  EXPECT_THAT(v3("n_group", 7), HasSubstr("expected a divisor of n_routed_experts 256, found 7"));
  EXPECT_THAT(v3("topk_group", 9), HasSubstr("topk_group: expected at most n_group 8, found 9"));
  EXPECT_THAT(v3("n_group", 256), HasSubstr("256 groups of one expert"));
  EXPECT_THAT(v3("num_experts_per_tok", 129),
              HasSubstr("expected at most 128 = topk_group 4 x 32 experts a group, found 129"));
  EXPECT_THAT(v3("num_experts_per_tok", JsonValue()), HasSubstr("expected 1 to n_routed_experts"));
  EXPECT_THAT(v3("first_k_dense_replace", 62), HasSubstr("at most num_hidden_layers 61, found 62"));
  EXPECT_THAT(v3("moe_intermediate_size", JsonValue()), HasSubstr("but the model has experts"));
  EXPECT_EQ(v3("first_k_dense_replace", 61), "no error") << "all dense";
  EXPECT_THAT(error_of("deepseek-v2", {{"norm_topk_prob", true}}),
              HasSubstr("norm_topk_prob: only false is supported for DeepseekV2ForCausalLM"));
  EXPECT_THAT(error_of("deepseek-v2", {{"topk_method", "noaux_tc"}}),
              HasSubstr("only greedy or group_limited_greedy is supported"));
}

TEST(ModelConfigTest, HeadAndBiasRules) {
  EXPECT_THAT(error_of("deepseek-v3", {{"num_key_value_heads", 8}}),
              HasSubstr("expected num_attention_heads 128, found 8"));
  EXPECT_THAT(error_of("deepseek-r1-distill-llama-8b", {{"num_key_value_heads", 5}}),
              HasSubstr("expected a divisor of num_attention_heads 32, found 5"));
  EXPECT_THAT(error_of("deepseek-r1-distill-llama-8b", {{"num_attention_heads", 24}}),
              HasSubstr("head_dim: missing, and num_attention_heads 24 does not divide"));
  EXPECT_THAT(error_of("deepseek-v3", {{"attention_bias", true}}),
              HasSubstr("attention_bias: only false is supported"));
  EXPECT_THAT(error_of("deepseek-r1-distill-llama-8b", {{"mlp_bias", true}}),
              HasSubstr("mlp_bias: only false is supported"));
  EXPECT_THAT(error_of("deepseek-v3", {{"eos_token_id", 129280}}),
              HasSubstr("eos_token_id: expected less than vocab_size 129280, found 129280"));
  EXPECT_THAT(error_of("deepseek-v3", {{"eos_token_id", json_of("[1, \"x\"]")}}),
              HasSubstr("expected a token id or a list of them"));
}

constexpr const char* kQwen2 = "deepseek-r1-distill-qwen-1.5b";
constexpr const char* kQwen3 = "deepseek-r1-0528-qwen3-8b";

ModelConfig config_of(const std::string& text) { return value_or_throw(parse_model_config(text)); }

TEST(ModelConfigTest, BiasesAndHeadNormsOfPlainAttention) {
  struct Wanted {
    const char* preset;
    bool attention_bias, qkv_bias, o_bias, qk_norm;
  };
  for (const Wanted& w :
       {Wanted{"deepseek-r1-distill-llama-8b", false, false, false, false},
        Wanted{"deepseek-r1-distill-llama-8b", true, true, true, false},
        Wanted{kQwen2, false, true, false, false}, Wanted{kQwen2, true, true, false, false},
        Wanted{kQwen3, false, false, false, true}, Wanted{kQwen3, true, true, true, true},
        Wanted{"deepseek-v3", false, false, false, false}}) {
    const ModelConfig c = config_of(edited(w.preset, {{"attention_bias", w.attention_bias}}));
    EXPECT_EQ(c.has_qkv_bias(), w.qkv_bias) << w.preset;
    EXPECT_EQ(c.has_o_bias(), w.o_bias) << w.preset;
    EXPECT_EQ(c.has_qk_norm(), w.qk_norm) << w.preset;
  }
}

// What transformers' Qwen2Config and Qwen3Config take for what a file does not say.
TEST(ModelConfigTest, AbsentKeysOfQwen) {
  const ModelConfig c = config_of(edited(kQwen3, {{"num_attention_heads", 64},
                                                  {"num_key_value_heads", std::nullopt},
                                                  {"head_dim", std::nullopt},
                                                  {"rope_theta", std::nullopt},
                                                  {"rope_scaling", std::nullopt},
                                                  {"use_sliding_window", std::nullopt},
                                                  {"rms_norm_eps", std::nullopt}}));
  EXPECT_EQ(c.num_key_value_heads, 32);
  EXPECT_EQ(c.head_dim, 128) << "not hidden_size / num_attention_heads";
  EXPECT_EQ(c.rope_theta, 10000.0);
  EXPECT_EQ(c.rms_norm_eps, 1e-6f);
  EXPECT_EQ(config_of(edited(kQwen2, {{"num_key_value_heads", JsonValue()}})).num_key_value_heads,
            12)
      << "null: num_attention_heads";
  EXPECT_EQ(preset(kQwen2).head_dim, 128);
  EXPECT_EQ(config_of(edited(kQwen2, {{"head_dim", 64}})).head_dim, 64);
}

TEST(ModelConfigTest, ThetaOfQwenInEitherSpelling) {
  const ModelConfig c = config_of(
      edited(kQwen3,
             {{"rope_theta", std::nullopt},
              {"rope_scaling", std::nullopt},
              {"rope_parameters", json_of(R"({"rope_theta": 5e6, "rope_type": "yarn", "factor": 4.0,
                            "original_max_position_embeddings": 32768})")}}));
  EXPECT_EQ(c.rope_theta, 5e6);
  ASSERT_TRUE(c.rope_scaling);
  EXPECT_EQ(c.rope_scaling->factor, 4.0);
  EXPECT_EQ(c.rope_scaling->mscale, 0.0);
}

// Windows are off unless use_sliding_window; then they begin at layer max_window_layers, and
// layer_types overrules both.
TEST(ModelConfigTest, SlidingWindowsOfQwen) {
  const JsonValue full = json_of(R"(["full_attention", "full_attention"])");
  const JsonValue mixed = json_of(R"(["full_attention", "sliding_attention"])");
  using Edits = std::vector<std::pair<std::string, std::optional<JsonValue>>>;
  const Edits two_layers = {{"num_hidden_layers", 2}, {"sliding_window", 4096}};
  const auto error = [&](const char* preset, Edits edits) {
    edits.insert(edits.begin(), two_layers.begin(), two_layers.end());
    return error_of(preset, edits);
  };
  for (const char* name : {kQwen2, kQwen3}) {
    const JsonValue on(true);
    EXPECT_EQ(error(name, {}), "no error") << "sliding_window without use_sliding_window";
    EXPECT_EQ(error(name, {{"use_sliding_window", on}, {"max_window_layers", 2}}), "no error");
    EXPECT_EQ(error(name, {{"use_sliding_window", on}, {"max_window_layers", std::nullopt}}),
              "no error")
        << "from layer 28 on";
    EXPECT_EQ(error(name, {{"use_sliding_window", on}, {"sliding_window", JsonValue()}}),
              "no error");
    EXPECT_EQ(
        error(name, {{"use_sliding_window", on}, {"max_window_layers", 0}, {"layer_types", full}}),
        "no error");
    EXPECT_EQ(error(name, {{"layer_types", full}}), "no error");
    EXPECT_EQ(error(name, {{"layer_types", full}, {"num_hidden_layers", 1}}), "no error");
    EXPECT_THAT(error(name, {{"layer_types", full}, {"num_hidden_layers", 3}}),
                HasSubstr("layer_types: expected num_hidden_layers 3 entries, found 2"));
    EXPECT_THAT(error(name, {{"use_sliding_window", on}, {"max_window_layers", 1}}),
                HasSubstr("use_sliding_window: found true: sliding-window attention is not"));
    EXPECT_THAT(error(name, {{"use_sliding_window", on},
                             {"max_window_layers", 1},
                             {"sliding_window", std::nullopt}}),
                HasSubstr("use_sliding_window: found true"))
        << "absent: 4096";
    EXPECT_THAT(error(name, {{"layer_types", mixed}}),
                HasSubstr("layer_types: only full_attention is supported, found a string "
                          "\"sliding_attention\""));
    EXPECT_THAT(error(name, {{"use_sliding_window", JsonValue("yes")}}),
                HasSubstr("use_sliding_window: expected true or false, found"));
  }
  EXPECT_THAT(error_of("deepseek-r1-distill-llama-8b", {{"sliding_window", 4096}}),
              HasSubstr("sliding_window: found the number 4096: sliding-window attention"));
  EXPECT_THAT(error_of(kQwen2, {{"use_mrope", true}}), HasSubstr("multimodal RoPE"));
  EXPECT_THAT(error_of(kQwen2, {{"dual_chunk_attention_config", json_of(R"({"chunk_size": 8})")}}),
              HasSubstr("dual chunk attention is not supported"));
}

TEST(ModelConfigTest, RopeRules) {
  const auto rope = [](const char* scaling) {
    return error_of("deepseek-v3", {{"rope_scaling", json_of(scaling)}});
  };
  EXPECT_THAT(rope(R"({"type": "dynamic", "factor": 2})"),
              HasSubstr("rope_scaling.type: expected yarn, llama3 or linear, found"));
  EXPECT_THAT(rope(R"({"type": "yarn"})"), HasSubstr("rope_scaling.factor: missing"));
  EXPECT_THAT(rope(R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": "4k"})"),
              HasSubstr("rope_scaling.original_max_position_embeddings: expected an integer"));
  EXPECT_THAT(rope(R"({"type": "yarn", "factor": 0.5, "original_max_position_embeddings": 4096})"),
              HasSubstr("rope_scaling.factor: expected 1 to 1000000, found 0.5"));
  EXPECT_THAT(rope(R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": 4096,
                       "mscale": 1.0})"),
              HasSubstr("rope_scaling.mscale: 1 with mscale_all_dim 0: only both or none"));
  EXPECT_THAT(rope(R"({"type": "yarn", "factor": 4, "original_max_position_embeddings": 4096,
                       "truncate": false, "beta_fast": 1, "beta_slow": 2})"),
              AllOf(HasSubstr("truncate: only true is supported, found false"),
                    HasSubstr("rope_scaling.beta_fast: expected 2 to")));
  EXPECT_THAT(rope(R"({"type": "llama3", "factor": 8, "original_max_position_embeddings": 8192,
                       "low_freq_factor": 4, "high_freq_factor": 1})"),
              HasSubstr("high_freq_factor: expected more than low_freq_factor 4, found 1"));
  EXPECT_THAT(rope("{\"factor\": 2}"),
              HasSubstr("rope_scaling.rope_type: missing beside a factor; expected default, yarn"));
  EXPECT_THAT(rope("[]"), HasSubstr("rope_scaling: expected an object or null"));
  EXPECT_THAT(error_of("deepseek-v3", {{"rope_theta", 1}}), HasSubstr("rope_theta: expected"));
}

TEST(ModelConfigTest, ForeignKeysThatChangeTheResultAreRefused) {
  const auto with = [](const char* key, JsonValue value) {
    return error_of("deepseek-r1-distill-llama-8b", {{key, std::move(value)}});
  };
  EXPECT_THAT(with("sliding_window", 4096), HasSubstr("sliding-window attention is not supported"));
  EXPECT_EQ(with("sliding_window", JsonValue()), "no error");
  EXPECT_THAT(with("logits_scaling", 8.0), HasSubstr("scaled logits"));
  EXPECT_EQ(with("logits_scaling", 1), "no error");
  EXPECT_THAT(with("layer_types", json_of("[\"full_attention\", \"sliding_attention\"]")),
              HasSubstr("only full_attention is supported, found a string \"sliding_attention\""));
  EXPECT_THAT(with("text_config", json_of("{}")), HasSubstr("a multimodal model"));
}

TEST(ModelConfigTest, AbsurdSizesAreRefusedWithoutOverflow) {
  for (const ModelConfigField& field : model_config_fields()) {
    if (!std::holds_alternative<i64 ModelConfig::*>(field.member)) continue;
    if ((field.used_by & kForDeepseekV3) == 0) continue;
    for (const i64 value : {INT64_MIN, INT64_MAX}) {
      EXPECT_THAT(error_of("deepseek-v3", {{std::string(field.name), value}}),
                  HasSubstr(std::string(field.name) + ": expected "));
    }
  }
  EXPECT_THAT(error_of("deepseek-v3", {{"hidden_size", 1 << 20},
                                       {"moe_intermediate_size", 1 << 20},
                                       {"n_routed_experts", 1 << 14}}),
              HasSubstr("parameters follow from the sizes"));
  EXPECT_THAT(
      error_of("deepseek-v3", {{"n_routed_experts", 1 << 14}, {"num_hidden_layers", 1 << 12}}),
      HasSubstr("experts in all layers"));
  EXPECT_THAT(error_of("deepseek-v3", {{"routed_scaling_factor", 1e300}}),
              HasSubstr("routed_scaling_factor: expected"));
}

TEST(ModelConfigTest, SavesWhatItLoads) {
  for (const char* name : {"deepseek-v3", "deepseek-v3.1", "deepseek-v2", "deepseek-v2-lite",
                           "moonlight-16b-a3b", "kimi-k2", "deepseek-r1-distill-llama-8b"}) {
    const std::string saved = to_json(preset(name));
    const auto again = parse_model_config(saved);
    ASSERT_TRUE(again) << name << ": " << again.error().message();
    EXPECT_EQ(to_json(*again), saved) << name;
    // Every key of the published file that this program reads is saved with the same value.
    const JsonValue published = value_or_throw(io::read_json(preset_path(name)));
    const JsonValue json = value_or_throw(io::parse_json(saved, "saved"));
    for (const auto& [key, value] : published.as_object()) {
      const JsonValue* found = json.find(key);
      if (found == nullptr || value.is_object()) continue;
      if (value.is_number()) {
        EXPECT_EQ(found->as_number(), value.as_number()) << name << " " << key;
      } else {
        EXPECT_EQ(io::write_json(*found), io::write_json(value)) << name << " " << key;
      }
    }
  }
  EXPECT_THAT(to_json(preset("deepseek-v2-lite")), HasSubstr("\"q_lora_rank\": null"));
  EXPECT_THAT(to_json(preset("moonlight-16b-a3b")), HasSubstr("\"rms_norm_eps\": 1e-05"));
}

TEST(ModelConfigTest, WithStorageKeepsEveryOtherKey) {
  const std::string text = edited("deepseek-v3", {{"auto_map", json_of(R"({"a": "b"})")}});
  const auto plain = with_storage(text, DType::kF32, std::nullopt);
  ASSERT_TRUE(plain);
  EXPECT_THAT(*plain, AllOf(HasSubstr("\"torch_dtype\": \"float32\""), HasSubstr("auto_map"),
                            Not(HasSubstr("quantization_config"))));
  const auto fp8 = with_storage(*plain, DType::kBF16, QuantizationConfig{});
  ASSERT_TRUE(fp8);
  EXPECT_TRUE(parse_model_config(*fp8)->quantization_config);
}

TEST(ModelConfigTest, ValidateChecksAStruct) {
  ModelConfig c = preset("deepseek-v3");
  EXPECT_TRUE(c.validate());
  c.n_group = 7;
  c.hidden_act = "relu";
  EXPECT_THAT(c.validate("run.toml").error().message(), HasSubstr("run.toml: 2 problems"));
}

TEST(ModelConfigTest, FieldListIsSortedAndDocumented) {
  std::string_view before;
  for (const ModelConfigField& field : model_config_fields()) {
    EXPECT_LT(before, field.name);
    EXPECT_FALSE(field.doc.empty()) << field.name;
    before = field.name;
  }
}

}  // namespace
}  // namespace fathom
