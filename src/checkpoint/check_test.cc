// Everything that is wrong with a checkpoint is found before anything is loaded.
#include "checkpoint/check.h"

#include <gmock/gmock.h>

#include "checkpoint/test_support.h"

namespace fathom::checkpoint {
namespace {

using ::testing::AllOf;
using testing::golden_directory;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

class CheckpointCheckTest : public ::testing::Test {
 protected:
  /// A call that checks a golden config against these tensors.
  auto load(const std::string& golden, const LooseTensors& tensors) {
    write_model(directory_, golden, tensors);
    return [this] {
      const ModelConfig config = value_or_throw(load_model_config(directory_.path()));
      const auto checkpoint = value_or_throw(io::Checkpoint::open(directory_.path()));
      (void)require_checkpoint(config, checkpoint);
    };
  }
  TempDir directory_;
};

TEST_F(CheckpointCheckTest, AllProblemsAtOnce) {
  LooseTensors tensors = tensors_of("v3");
  tensors.erase("model.layers.0.self_attn.o_proj.weight");
  tensors["model.layers.1.self_attn.kv_b_proj.weight"].shape = {28, 32};
  tensors["lm_head.weight"].dtype = DType::kI16;
  EXPECT_THAT(
      load("v3", tensors),
      ThrowsMessage<Error>(AllOf(
          HasSubstr("3 problems"),
          HasSubstr(
              "tensor `model.layers.0.self_attn.o_proj.weight` is missing, expected [24, 24]"),
          HasSubstr("model.safetensors: tensor `model.layers.1.self_attn.kv_b_proj.weight` is "
                    "[28, 32], expected [56, 16] = num_attention_heads 2 x (qk_nope_head_dim 16 + "
                    "v_head_dim 12), kv_lora_rank 16 from config.json"),
          HasSubstr("`lm_head.weight` is I16, expected F32, BF16, F16 or F8_E4M3"))));
}

TEST_F(CheckpointCheckTest, ManyProblemsAreCountedButNotAllListed) {
  const LooseTensors nothing = {{"x", {DType::kF32, {1}, std::vector<u8>(4)}}};
  EXPECT_THAT(load("v3", nothing),
              ThrowsMessage<Error>(AllOf(HasSubstr("missing"), HasSubstr("... and "))));
}

// 4096 layers of 16384 experts would be 200 million names: minutes, and all memory.
TEST_F(CheckpointCheckTest, AConfigOfAnotherModelStopsEarly) {
  ModelConfig config = value_or_throw(load_model_config(golden_directory("moonlight")));
  config.n_routed_experts = 16384;
  const auto checkpoint = value_or_throw(io::Checkpoint::open(golden_directory("moonlight")));
  EXPECT_THAT([&] { require_checkpoint(config, checkpoint); },
              ThrowsMessage<Error>(
                  AllOf(HasSubstr("at least 10000 problems"), HasSubstr("... and 9900 more"))));
}

TEST_F(CheckpointCheckTest, ScalesOfFp8MayBeOfAnyFloatType) {
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    LooseTensors tensors = tensors_of("fp8");
    for (auto& [name, tensor] : tensors) {
      if (!name.ends_with("_scale_inv")) continue;
      tensor.dtype = dtype;
      tensor.bytes.resize(tensor.bytes.size() / 2);
    }
    EXPECT_NO_THROW(load("fp8", tensors)());
  }
}

TEST_F(CheckpointCheckTest, Fp8WithoutItsScales) {
  LooseTensors tensors = tensors_of("fp8");
  tensors.erase("model.layers.0.self_attn.o_proj.weight_scale_inv");
  tensors["model.layers.1.self_attn.kv_b_proj.weight_scale_inv"].shape = {1, 2};
  auto& bf16_scale = tensors["model.layers.1.self_attn.o_proj.weight_scale_inv"];
  bf16_scale.dtype = DType::kI16;
  bf16_scale.bytes.resize(bf16_scale.bytes.size() / 2);
  EXPECT_THAT(
      load("fp8", tensors),
      ThrowsMessage<Error>(
          AllOf(HasSubstr("3 problems"),
                HasSubstr("`model.layers.0.self_attn.o_proj.weight_scale_inv` is missing, expected "
                          "[2, 2], the block scales of"),
                HasSubstr("is [1, 2], expected [2, 1] = one scale a 128x128 block of [180, 12]"),
                HasSubstr("is I16, expected F32, BF16 or F16"))));
}

TEST_F(CheckpointCheckTest, WhatRunsTogetherHasOneDtype) {
  LooseTensors tensors = tensors_of("v3");
  for (const char* name :
       {"model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.experts.3.down_proj.weight",
        "model.layers.2.mlp.shared_experts.down_proj.weight"}) {
    tensors[name] = widened(tensors[name]);
  }
  EXPECT_THAT(load("v3", tensors),
              ThrowsMessage<Error>(AllOf(
                  HasSubstr("2 problems"),
                  HasSubstr("`model.layers.0.mlp.up_proj.weight` is F32, expected BF16 as "
                            "`model.layers.0.mlp.gate_proj.weight`"),
                  HasSubstr("`model.layers.1.mlp.experts.3.down_proj.weight` is F32, expected BF16 "
                            "as `model.layers.1.mlp.experts.0.down_proj.weight`"))));
}

TEST_F(CheckpointCheckTest, TheRouterIsNeverFp8) {
  LooseTensors tensors = tensors_of("v3");
  auto& gate = tensors["model.layers.1.mlp.gate.weight"];
  gate.dtype = DType::kF8E4M3;
  gate.bytes.resize(gate.bytes.size() / 2);
  EXPECT_THAT(load("v3", tensors), ThrowsMessage<Error>(HasSubstr("is F8_E4M3, expected F32")));
}

TEST_F(CheckpointCheckTest, EhProjMayBeFp8WithScales) {
  LooseTensors tensors = tensors_of("mtp");
  auto& eh_proj = tensors["model.layers.1.eh_proj.weight"];
  eh_proj.dtype = DType::kF8E4M3;
  eh_proj.bytes.resize(eh_proj.bytes.size() / 2);
  const std::string scale = "model.layers.1.eh_proj.weight_scale_inv";
  EXPECT_THAT(load("mtp", tensors), ThrowsMessage<Error>(HasSubstr("`" + scale + "` is missing")));
  tensors[scale] = {DType::kF32, {1, 1}, {0, 0, 0x80, 0x3f}};
  EXPECT_NO_THROW(load("mtp", tensors)());
}

TEST_F(CheckpointCheckTest, UnusedTensorsAreNoProblem) {
  LooseTensors tensors = tensors_of("llama");
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {DType::kF32, {1}, std::vector<u8>(4)};
  tensors["model.extra.weight"] = {DType::kF32, {1}, std::vector<u8>(4)};
  write_model(directory_, "llama", tensors);
  const ModelConfig config = value_or_throw(load_model_config(directory_.path()));
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory_.path()));
  const CheckpointCheck check = check_checkpoint(config, checkpoint);
  EXPECT_EQ(check.unused, std::vector<std::string>{"model.extra.weight"});
  EXPECT_TRUE(check.problems.empty());
  EXPECT_NO_THROW(require_checkpoint(config, checkpoint));
}

}  // namespace
}  // namespace fathom::checkpoint
