// Loading: what fits is mapped, what does not is listed, all of it.
#include "model/weights.h"

#include <gmock/gmock.h>

#include <cstring>
#include <map>

#include "io/safetensors_writer.h"
#include "model/checkpoint_check.h"
#include "model/rope.h"
#include "model/test_support.h"
#include "model/tolerances.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;
using ::testing::ThrowsMessage;

struct LooseTensor {
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  std::vector<u8> bytes;
};
using LooseTensors = std::map<std::string, LooseTensor>;

LooseTensors tensors_of(const std::string& golden) {
  const auto checkpoint = value_or_throw(io::Checkpoint::open(golden_directory(golden)));
  LooseTensors result;
  for (const io::StoredTensor* t : checkpoint.tensors()) {
    result[t->name] = {t->dtype, t->shape, {t->bytes.begin(), t->bytes.end()}};
  }
  return result;
}

/// A model directory with the golden case's config and these tensors.
void write_model(const TempDir& directory, const std::string& golden, const LooseTensors& tensors) {
  std::vector<io::TensorSpec> specs;
  for (const auto& [name, t] : tensors) specs.push_back({name, t.dtype, t.shape});
  io::SafetensorsWriter writer(directory / "model.safetensors", specs);
  for (const auto& [name, t] : tensors) writer.append(name, t.bytes);
  writer.commit();
  std::filesystem::copy_file(golden_directory(golden) / "config.json", directory / "config.json",
                             std::filesystem::copy_options::overwrite_existing);
}

/// The f32 values of a BF16 tensor, bit for bit.
LooseTensor widened(const LooseTensor& bf16) {
  LooseTensor result{DType::kF32, bf16.shape, std::vector<u8>(bf16.bytes.size() * 2)};
  for (size_t i = 0; i < bf16.bytes.size() / 2; ++i) {
    std::memcpy(&result.bytes[4 * i + 2], &bf16.bytes[2 * i], 2);
  }
  return result;
}

class WeightsTest : public ::testing::Test {
 protected:
  auto load(const std::string& golden, const LooseTensors& tensors) {
    write_model(directory_, golden, tensors);
    return [this] { (void)Model::load(directory_.path().string()); };
  }
  TempDir directory_;
};

TEST_F(WeightsTest, AllProblemsAtOnce) {
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

TEST_F(WeightsTest, ManyProblemsAreCountedButNotAllListed) {
  const LooseTensors nothing = {{"x", {DType::kF32, {1}, std::vector<u8>(4)}}};
  EXPECT_THAT(load("v3", nothing),
              ThrowsMessage<Error>(AllOf(HasSubstr("missing"), HasSubstr("... and "))));
}

// 4096 layers of 16384 experts: 200 million names would take minutes and all memory.
TEST_F(WeightsTest, AConfigOfAnotherModelStopsEarly) {
  ModelConfig config = value_or_throw(load_model_config(golden_directory("moonlight")));
  config.num_hidden_layers = 4096;
  config.n_routed_experts = 16384;
  const auto checkpoint = value_or_throw(io::Checkpoint::open(golden_directory("moonlight")));
  EXPECT_THAT([&] { require_checkpoint(config, checkpoint); },
              ThrowsMessage<Error>(
                  AllOf(HasSubstr("at least 10000 problems"), HasSubstr("... and 9900 more"))));
}

TEST_F(WeightsTest, Fp8WithoutItsScales) {
  LooseTensors tensors = tensors_of("fp8");
  tensors.erase("model.layers.0.self_attn.o_proj.weight_scale_inv");
  tensors["model.layers.1.self_attn.kv_b_proj.weight_scale_inv"].shape = {1, 2};
  auto& bf16_scale = tensors["model.layers.1.self_attn.o_proj.weight_scale_inv"];
  bf16_scale.dtype = DType::kBF16;
  bf16_scale.bytes.resize(bf16_scale.bytes.size() / 2);
  EXPECT_THAT(
      load("fp8", tensors),
      ThrowsMessage<Error>(
          AllOf(HasSubstr("3 problems"),
                HasSubstr("`model.layers.0.self_attn.o_proj.weight_scale_inv` is missing, expected "
                          "[2, 2], the block scales of"),
                HasSubstr("is [1, 2], expected [2, 1] = one scale a 128x128 block of [180, 12]"),
                HasSubstr("is BF16, expected F32"))));
}

TEST_F(WeightsTest, WhatRunsTogetherHasOneDtype) {
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

TEST_F(WeightsTest, TheRouterIsNeverFp8) {
  LooseTensors tensors = tensors_of("v3");
  auto& gate = tensors["model.layers.1.mlp.gate.weight"];
  gate.dtype = DType::kF8E4M3;
  gate.bytes.resize(gate.bytes.size() / 2);
  EXPECT_THAT(load("v3", tensors), ThrowsMessage<Error>(HasSubstr("is F8_E4M3, expected F32")));
}

TEST_F(WeightsTest, EhProjMayBeFp8WithScales) {
  LooseTensors tensors = tensors_of("mtp");
  auto& eh_proj = tensors["model.layers.1.eh_proj.weight"];
  eh_proj.dtype = DType::kF8E4M3;
  eh_proj.bytes.resize(eh_proj.bytes.size() / 2);
  const std::string scale = "model.layers.1.eh_proj.weight_scale_inv";
  EXPECT_THAT(load("mtp", tensors), ThrowsMessage<Error>(HasSubstr("`" + scale + "` is missing")));
  tensors[scale] = {DType::kF32, {1, 1}, {0, 0, 0x80, 0x3f}};
  EXPECT_NO_THROW(load("mtp", tensors)());
}

TEST_F(WeightsTest, UnusedTensorsAreNoProblem) {
  LooseTensors tensors = tensors_of("llama");
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = {DType::kF32, {1}, std::vector<u8>(4)};
  tensors["model.extra.weight"] = {DType::kF32, {1}, std::vector<u8>(4)};
  write_model(directory_, "llama", tensors);
  const ModelConfig config = value_or_throw(load_model_config(directory_.path()));
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory_.path()));
  const CheckpointCheck check = check_checkpoint(config, checkpoint);
  EXPECT_EQ(check.unused, std::vector<std::string>{"model.extra.weight"});
  EXPECT_TRUE(check.problems.empty());
  EXPECT_NO_THROW((void)Model::load(directory_.path().string()));
}

TEST_F(WeightsTest, F32AndF16AndUnalignedTensorsMeanTheSame) {
  const Golden golden("v3");
  const auto ids = golden.ids("input_ids");
  Ctx ctx;
  const Tensor<float> want = run(ctx, golden.model(), ids);
  LooseTensors tensors = tensors_of("v3");
  for (auto& [name, tensor] : tensors) {
    if (tensor.dtype == DType::kBF16) tensor = widened(tensor);
  }
  // Multiples of 1/64 below 32 are the same number in F16 and F32.
  LooseTensor& half = tensors["model.layers.0.mlp.up_proj.weight"];
  half.dtype = DType::kF16;
  half.bytes.resize(half.bytes.size() / 2);
  for (size_t i = 0; i < half.bytes.size() / 2; ++i) {
    const u16 bits = static_cast<u16>(0x3000 + i % 0x100);
    std::memcpy(&half.bytes[2 * i], &bits, 2);
  }
  write_model(directory_, "v3", tensors);
  const auto from_f16 = Model::load(directory_.path().string());
  const Tensor<float> with_f16 = run(ctx, *from_f16, ids);

  LooseTensor single{DType::kF32, half.shape, std::vector<u8>(half.bytes.size() * 2)};
  for (size_t i = 0; i < half.bytes.size() / 2; ++i) {
    u16 bits = 0;
    std::memcpy(&bits, &half.bytes[2 * i], 2);
    const float value = f16_to_f32(bits);
    std::memcpy(&single.bytes[4 * i], &value, 4);
  }
  tensors["model.layers.0.mlp.up_proj.weight"] = single;
  // A tensor of one byte before the others leaves every later one unaligned in the file.
  tensors["a"] = {DType::kU8, {1}, {0}};
  const TempDir unaligned;
  std::string header = "{", data;
  for (const auto& [name, t] : tensors) {
    std::string shape;
    for (const i64 d : t.shape) shape += (shape.empty() ? "" : ",") + std::to_string(d);
    header += (header.size() > 1 ? "," : "") +
              fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name,
                          dtype_name(t.dtype), shape, data.size(), data.size() + t.bytes.size());
    data.append(reinterpret_cast<const char*>(t.bytes.data()), t.bytes.size());
  }
  header += "}";
  const u64 header_bytes = header.size();
  std::string file(8, '\0');
  std::memcpy(file.data(), &header_bytes, 8);
  unaligned.write("model.safetensors", file + header + data);
  std::filesystem::copy_file(golden_directory("v3") / "config.json", unaligned / "config.json");
  const auto from_unaligned = Model::load(unaligned.path().string());
  testing::expect_bitwise_equal(run(ctx, *from_unaligned, ids), with_f16);

  tensors = tensors_of("v3");
  for (auto& [name, tensor] : tensors) {
    if (tensor.dtype == DType::kBF16) tensor = widened(tensor);
  }
  const TempDir wide;
  write_model(wide, "v3", tensors);
  EXPECT_LE(relative_error(run(ctx, *Model::load(wide.path().string()), ids), want), 1e-5);
}

TEST_F(WeightsTest, MtpMayBeAbsentOrShareItsEmbedding) {
  const Golden golden("mtp");
  const auto ids = golden.ids("input_ids");
  Ctx ctx;
  LooseTensors tensors = tensors_of("mtp");
  tensors.erase("model.layers.1.embed_tokens.weight");
  tensors.erase("model.layers.1.shared_head.head.weight");
  write_model(directory_, "mtp", tensors);
  const auto shared = Model::load(directory_.path().string());
  ASSERT_TRUE(shared->has_mtp());
  const auto hidden = testing::normal<float>({3, golden.model().config().hidden_size});
  const auto logits_of = [&](const Model& model) {
    KvCache cache(model.config(), ops::CacheDType::kF32, 8, 1);
    Tensor<float> logits = new_logits(model, 3);
    model.mtp_forward(ctx, hidden.cv<2>(), std::span(ids).first(3), 0, cache, kExact,
                      logits.v<2>());
    return logits;
  };
  testing::expect_bitwise_equal(logits_of(*shared), logits_of(golden.model()));

  std::erase_if(tensors,
                [](const auto& item) { return item.first.starts_with("model.layers.1."); });
  const TempDir without;
  write_model(without, "mtp", tensors);
  EXPECT_FALSE(Model::load(without.path().string())->has_mtp());

  const TempDir half;
  tensors["model.layers.1.enorm.weight"] = {DType::kF32, {16}, std::vector<u8>(64)};
  write_model(half, "mtp", tensors);
  EXPECT_THAT([&] { (void)Model::load(half.path().string()); },
              ThrowsMessage<Error>(AllOf(HasSubstr("`model.layers.1.hnorm.weight` is missing"),
                                         Not(HasSubstr("enorm")), Not(HasSubstr("embed_tokens")))));
}

TEST(Weights, Fp8StaysAsStored) {
  const Golden golden("fp8");
  const auto checkpoint = value_or_throw(io::Checkpoint::open(golden_directory("fp8")));
  i64 stored = 0;
  for (const io::StoredTensor* t : checkpoint.tensors())
    stored += static_cast<i64>(t->bytes.size());
  EXPECT_EQ(golden.model().weight_bytes(), stored);
  const auto weights = load_weights(golden_directory("fp8").string());
  const auto& mla = std::get<MlaWeights>(weights->layers[0].self_attn);
  EXPECT_EQ(mla.o_proj.dtype, DType::kF8E4M3);
  i64 owned = 0;
  for (const Buffer& buffer : weights->owned) owned += buffer.size_bytes();
  EXPECT_LT(owned, 4096);  // norms and the bias alone
}

TEST(Rope, PairingAndYarnFollowTheConfig) {
  const auto table = [](const std::string& golden) {
    return make_rope_table(value_or_throw(load_model_config(golden_directory(golden))));
  };
  EXPECT_EQ(table("v3").pairing, ops::RopePairing::kInterleaved);
  EXPECT_EQ(table("llama").pairing, ops::RopePairing::kHalves);
  EXPECT_EQ(table("v3").cos_sin_factor, 1.0f);
  EXPECT_EQ(table("v3").frequency.size(), 8u);
  // mscale 1.0 over mscale_all_dim 0.707, factor 40: 1.36889 / 1.26080.
  EXPECT_NEAR(table("v2").cos_sin_factor, 1.3688879454 / 1.2608037774, 1e-6);
}

}  // namespace
}  // namespace fathom::model
