// Random and converted checkpoints as models: what a conversion may change of the logits.
#include <gmock/gmock.h>

#include <cmath>

#include "backend/backend.h"
#include "checkpoint/test_support.h"
#include "model/test_support.h"
#include "model/weights/random_weights.h"

namespace fathom::model {
namespace {

namespace fs = std::filesystem;
using checkpoint::kBf16;
using checkpoint::kFp8;
using checkpoint::kInt4;
using checkpoint::kInt8;
using checkpoint::ModelStorage;
using testing::expect_bitwise_equal;
using testing::ragged_v3;

const std::vector<i32> kIds = {1, 7, 299, 0, 42, 42, 13};

Tensor<float> logits_of(const fs::path& directory) {
  Ctx ctx = backend::make_context();
  return run(ctx, *Model::load(ctx, directory.string()), kIds);
}

using ConvertedModelTest = checkpoint::ConvertTest;

TEST_F(ConvertedModelTest, ARandomCheckpointLoadsAndRepeats) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
    const std::string name(dtype_name(dtype));
    const fs::path directory = random(name, dtype);
    const auto model = Model::load(ctx_, directory.string());
    EXPECT_EQ(model->num_mtp(), 1);
    EXPECT_EQ(model->config().quantization_config.has_value(), dtype == DType::kF8E4M3);
    expect_bitwise_equal(logits_of(random(name + "_again", dtype)), logits_of(directory));
    EXPECT_GT(relative_error(logits_of(random(name + "_other", dtype, 4)), logits_of(directory)),
              0.1);
    EXPECT_THROW(random(name, dtype), Error);  // there is a model already
  }
}

TEST_F(ConvertedModelTest, FewerBitsStayNear) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const Tensor<float> want = logits_of(bf16);
  const std::map<std::string, std::pair<ModelStorage, double>> cases = {
      {"fp8", {{.linear = kFp8}, 0.2}},
      {"int4", {{.linear = kInt4}, 0.5}},
      {"int8_head", {{.linear = kInt8, .head = true}, 0.05}},
      {"fp8_int4", {{.linear = kFp8, .routed_experts = kInt4}, 0.5}},
      {"attention", {{.attention = kInt8}, 0.05}},
      {"routed_experts", {{.routed_experts = kInt8}, 0.05}},
      {"shared_experts", {{.shared_experts = kInt8}, 0.05}},
      {"dense_ffn", {{.dense_ffn = kInt8}, 0.05}}};
  for (const auto& [name, conversion] : cases) {
    convert_to(bf16, name, conversion.first);
    const double error = relative_error(logits_of(root_ / name), want);
    EXPECT_LE(error, conversion.second) << name;
    EXPECT_GT(error, 0.0) << name;
  }
}

TEST_F(ConvertedModelTest, F32OfWhatWasRoundedChangesNothing) {
  const auto storage_of_bits = [](int bits, i64 group) {
    return ModelStorage{.linear = {.dtype = DType::kI32, .bits = bits, .group_size = group}};
  };
  const fs::path bf16 = random("bf16", DType::kBF16);
  const std::map<std::string, ModelStorage> cases = {
      {"fp8", {.linear = kFp8}},
      {"int4_32", storage_of_bits(4, 32)},
      {"int4_128", storage_of_bits(4, 128)},
      {"int8_32", storage_of_bits(8, 32)},
      {"int8_128", storage_of_bits(8, 128)},
      {"fp8_int4", {.linear = kFp8, .routed_experts = kInt4}}};
  for (const auto& [name, storage] : cases) {
    convert_to(bf16, name, storage);
    convert(root_ / name, name + "_f32", DType::kF32);
    EXPECT_LE(relative_error(logits_of(root_ / (name + "_f32")), logits_of(root_ / name)), 1e-5)
        << name;
  }
}

TEST_F(ConvertedModelTest, Bf16ToF32AndBackIsTheSame) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert(bf16, "f32", DType::kF32);
  convert(root_ / "f32", "bf16_again", DType::kBF16);
  expect_bitwise_equal(logits_of(root_ / "bf16_again"), logits_of(bf16));
}

// Whatever the activations and the form of attention: close to the same weights in f32. All experts
// are chosen, because a choice that turns over is no small error.
TEST_F(ConvertedModelTest, MixedModelsRunInEveryMode) {
  ModelConfig all_experts = ragged_v3();
  all_experts.num_experts_per_tok = all_experts.n_routed_experts;
  all_experts.topk_group = all_experts.n_group;
  const fs::path bf16 = root_ / "bf16";
  checkpoint::write_random_checkpoint(ctx_, all_experts, bf16, {.weight_std = 0.1});
  const std::map<std::string, ModelStorage> cases = {
      {"fp8_int4", {.linear = kFp8, .routed_experts = kInt4}},
      {"int8_fp8", {.linear = kInt8, .attention = kFp8, .shared_experts = kBf16}},
      {"int4_bf16", {.linear = kBf16, .attention = kInt8, .routed_experts = kInt4}}};
  for (const auto& [name, storage] : cases) {
    convert_to(bf16, name, storage);
    convert(root_ / name, name + "_f32", DType::kF32);
    const Tensor<float> exact = logits_of(root_ / (name + "_f32"));
    const auto model = Model::load(ctx_, (root_ / name).string());
    using enum ops::Activations;
    const std::map<ops::Activations, double> bounds = {
        {kF32, 1e-5}, {kBf16, 0.1}, {kInt8, 0.1}, {kFp8, 0.25}};
    for (const auto& [activations, bound] : bounds) {
      for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
        Ctx ctx = backend::make_context();
        const auto got = run(ctx, *model, kIds, {.activations = activations, .mla_form = form});
        EXPECT_LE(relative_error(got, exact), bound)
            << name << " activations " << static_cast<int>(activations) << " form "
            << static_cast<int>(form);
      }
    }
  }
}

TEST_F(ConvertedModelTest, RandomWeightsInMemoryMayBeMixed) {
  const auto model =
      Model::random(ctx_, ragged_v3(), {.storage = {.linear = kFp8, .routed_experts = kInt4}});
  ASSERT_TRUE(model->config().quantization_config);
  EXPECT_TRUE(model->config().quantization_config->has_fp8());
  EXPECT_TRUE(model->config().quantization_config->has_integers());
  const auto bf16 = Model::random(ctx_, ragged_v3(), {.storage = {.linear = kBf16}});
  const auto logits = run(ctx_, *model, kIds);
  EXPECT_TRUE(std::ranges::all_of(std::span(logits.data(), static_cast<size_t>(logits.size())),
                                  [](float x) { return std::isfinite(x); }));
  EXPECT_LT(model->weight_bytes(), bf16->weight_bytes());
}

}  // namespace
}  // namespace fathom::model
