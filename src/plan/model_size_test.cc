#include "plan/model_size.h"

#include <gtest/gtest.h>

#include "base/check.h"
#include "plan/test_files.h"

namespace fathom::plan {
namespace {

double billions(i64 count) { return static_cast<double>(count) / 1e9; }
double millions(i64 count) { return static_cast<double>(count) / 1e6; }

// Reference table: deepseek-v3.md §13, to the digits it prints.
struct Row {
  const char* name;
  double total, active, active_without_embedding, attention, expert, moe_layer;
  double total_digits, active_digits;  // half a unit of the last printed digit
};

TEST(ModelSizeTest, MatchesTheReferenceTable) {
  const Row rows[] = {
      {"deepseek-v3", 671.026, 37.552, 36.626, 187.1, 44.04, 11.320, 5e-4, 5e-4},
      {"deepseek-v2", 235.741, 21.376, 20.851, 149.2, 23.6, 3.823, 5e-4,
       6e-4},  // prints 20.8515 as 20.851
      {"deepseek-v2-lite", 15.706, 2.661, 2.451, 13.8, 8.65, 0.571, 5e-4, 5e-4},
      {"moonlight-16b-a3b", 15.960, 2.915, 2.579, 13.8, 8.65, 0.571, 5e-4, 5e-4},
      {"kimi-k2", 1026.4, 32.86, 31.69, 101.1, 44.04, 16.958, 5e-2, 5e-3},
  };
  for (const Row& row : rows) {
    const ModelSize size = model_size(shipped_model(row.name));
    EXPECT_NEAR(billions(size.total), row.total, row.total_digits) << row.name;
    EXPECT_NEAR(billions(size.active), row.active, row.active_digits) << row.name;
    EXPECT_NEAR(billions(size.active_without_embedding), row.active_without_embedding,
                row.active_digits)
        << row.name;
    EXPECT_NEAR(millions(size.attention_per_layer), row.attention, 5e-2) << row.name;
    EXPECT_NEAR(millions(size.one_expert), row.expert, 5e-2) << row.name;
    EXPECT_NEAR(billions(size.moe_layer_ffn), row.moe_layer, 5e-4) << row.name;
  }
}

TEST(ModelSizeTest, MtpModuleOfV3) {
  const ModelSize size = model_size(shipped_model("deepseek-v3"));
  EXPECT_NEAR(billions(size.mtp), 11.610, 5e-4);
  EXPECT_NEAR(billions(size.mtp_with_copies), 13.463, 5e-4);
  EXPECT_EQ(model_size(shipped_model("kimi-k2")).mtp, 0);
}

// Kimi-K2-Thinking's form: INT4 experts, everything else as it was.
TEST(ModelSizeTest, BytesFollowTheGroupsOfTheConfig) {
  ModelConfig config = shipped_model("kimi-k2");
  QuantizationConfig& quantization = config.quantization_config.emplace();
  quantization.quant_method = "compressed-tensors";
  quantization.groups = {{.num_bits = 4, .group_size = 32}};
  quantization.ignore = {"lm_head", "re:.*self_attn.*", "re:.*shared_experts.*",
                         R"(re:.*mlp\.(gate|up|gate_up|down)_proj.*)"};
  ModelSize size = model_size(config);
  const i64 experts = size.part(ModelPart::kRoutedExperts).total;
  EXPECT_EQ(size.bytes_by_dtype[DType::kI32], experts / 2);
  quantization.groups.push_back({.is_fp8 = true, .targets = {"re:.*self_attn.*"}});
  quantization.ignore.erase(quantization.ignore.begin() + 1);
  size = model_size(config);
  EXPECT_EQ(size.bytes_by_dtype[DType::kI32], experts / 2);
  EXPECT_GT(size.bytes_by_dtype[DType::kF8E4M3], 60 * size.attention_per_layer);
}

// A row of packed integers is whole words, and its last group may be a part of one.
TEST(ModelSizeTest, PackedRowsAreRoundedUp) {
  ModelConfig config = shipped_model("deepseek-r1-distill-llama-8b");
  config.hidden_size = 36;
  config.intermediate_size = 72;
  config.num_hidden_layers = 1;
  config.num_attention_heads = config.num_key_value_heads = 1;
  config.head_dim = 36;
  config.vocab_size = 10;
  QuantizationConfig& quantization = config.quantization_config.emplace();
  quantization.quant_method = "compressed-tensors";
  quantization.groups = {{.num_bits = 4, .group_size = 32}};
  quantization.ignore = {"lm_head"};
  const ModelSize size = model_size(config);
  // q, k, v, o: 36 rows of 36; gate, up: 72 of 36; down: 36 of 72 columns.
  EXPECT_EQ(size.bytes_by_dtype.at(DType::kI32), 4 * ((4 * 36 + 2 * 72) * 5 + 36 * 9));
  const i64 norms = 3 * 36, tables = 2 * 10 * 36;
  EXPECT_EQ(size.bytes_by_dtype.at(DType::kBF16),
            2 * ((4 * 36 + 2 * 72) * 2 + 36 * 3 + norms + tables));
}

TEST(ModelSizeTest, PartsSumToTheWhole) {
  const ModelSize size = model_size(shipped_model("deepseek-v3"));
  i64 sum = 0;
  for (int i = 0; i < kNumModelParts; ++i) sum += size.parts[static_cast<size_t>(i)].total;
  EXPECT_EQ(sum, size.total + size.mtp_with_copies);
  EXPECT_EQ(size.part(ModelPart::kEmbedding).total, i64{129280} * 7168);
  EXPECT_EQ(size.part(ModelPart::kRouter).total, 58 * (i64{256} * 7168 + 256));
  EXPECT_EQ(size.part(ModelPart::kRoutedExperts).active * 256,
            size.part(ModelPart::kRoutedExperts).total * 8);
}

TEST(ModelSizeTest, DenseLlama) {
  const ModelSize size = model_size(shipped_model("deepseek-r1-distill-llama-8b"));
  EXPECT_EQ(size.total, 8'030'261'248) << "as published for Llama-3.1-8B";
  EXPECT_EQ(size.active, size.total);
  EXPECT_EQ(size.one_expert, 0);
  EXPECT_EQ(size.checkpoint_bytes, 2 * size.total);
  ModelConfig tied = shipped_model("deepseek-r1-distill-llama-8b");
  tied.tie_word_embeddings = true;
  EXPECT_EQ(model_size(tied).total, size.total - i64{128256} * 4096);
  EXPECT_EQ(model_size(tied).active_without_embedding, model_size(tied).active);
}

TEST(ModelSizeTest, QwenWithItsBiasesAndHeadNorms) {
  EXPECT_EQ(model_size(shipped_model("deepseek-r1-distill-qwen-1.5b")).total, 1'777'088'000);
  EXPECT_EQ(model_size(shipped_model("deepseek-r1-distill-qwen-32b")).total, 32'763'876'352);
  EXPECT_EQ(model_size(shipped_model("deepseek-r1-0528-qwen3-8b")).total, 8'190'735'360);
  ModelConfig biased = shipped_model("deepseek-r1-0528-qwen3-8b");
  const i64 without = model_size(biased).total;
  biased.attention_bias = true;
  EXPECT_EQ(model_size(biased).total, without + i64{36} * (4096 + 2 * 1024 + 4096));
}

TEST(ModelSizeTest, BytesThatATokenReads) {
  const ModelSize llama = model_size(shipped_model("deepseek-r1-distill-llama-8b"));
  EXPECT_EQ(llama.read_bytes_per_token, 2 * llama.active_without_embedding);
  ModelConfig unquantised = shipped_model("deepseek-v3");
  unquantised.quantization_config.reset();
  const ModelSize bf16 = model_size(unquantised);
  // The router's 256 biases a MoE layer are f32: two bytes more each.
  EXPECT_EQ(bf16.read_bytes_per_token, 2 * bf16.active_without_embedding + 2 * 58 * 256);
  EXPECT_LT(model_size(shipped_model("deepseek-v3")).read_bytes_per_token,
            bf16.read_bytes_per_token * 6 / 10);
}

TEST(ModelSizeTest, BytesByDtype) {
  const ModelSize v3 = model_size(shipped_model("deepseek-v3"));
  const i64 bf16 = v3.bytes_by_dtype.at(DType::kBF16) / 2;
  const i64 fp8 = v3.bytes_by_dtype.at(DType::kF8E4M3);
  const i64 router_bias = 59 * 256;  // 58 layers and the MTP module
  EXPECT_EQ(bf16 + fp8 + router_bias, v3.total + v3.mtp_with_copies);
  EXPECT_NEAR(static_cast<double>(v3.bytes_by_dtype.at(DType::kF32)),
              static_cast<double>(fp8) / (128 * 128) * 4, 2e6)
      << "one f32 scale a block";
  ModelConfig plain = shipped_model("deepseek-v3");
  plain.quantization_config.reset();
  EXPECT_EQ(model_size(plain).bytes_by_dtype.size(), 2u) << "bf16, and the router's bias in f32";
}

TEST(ModelSizeTest, CacheBytes) {
  const ModelConfig v3 = shipped_model("deepseek-v3");
  EXPECT_EQ(cache_bytes_per_token(v3, DType::kBF16), 70'272);
  EXPECT_EQ(cache_bytes_per_token(v3, DType::kF32), 140'544);
  EXPECT_EQ(cache_bytes_per_token(v3, DType::kF8E4M3), 656 * 61) << "FlashMLA's row, §1.6";
  const ModelConfig llama = shipped_model("deepseek-r1-distill-llama-8b");
  EXPECT_EQ(cache_bytes_per_token(llama, DType::kBF16), 131'072);
  EXPECT_EQ(cache_bytes_per_token(llama, DType::kF8E4M3), (2048 + 16 * 4) * 32);
  EXPECT_THROW((void)cache_bytes_per_token(v3, DType::kI8), InternalError);
}

}  // namespace
}  // namespace fathom::plan
