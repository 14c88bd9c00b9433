// Writing checkpoints: random ones, and conversions between F32, BF16 and FP8.
#include "model/convert.h"

#include <gmock/gmock.h>

#include <map>

#include "io/json.h"
#include "model/random_init.h"
#include "model/test_support.h"
#include "testing/temp_dir.h"

namespace fathom::model {
namespace {

namespace fs = std::filesystem;
using testing::expect_bitwise_equal;
using ::testing::HasSubstr;
using testing::TempDir;
using ::testing::ThrowsMessage;

const std::vector<i32> kIds = {1, 7, 299, 0, 42, 42, 13};

Tensor<float> logits_of(const fs::path& directory) {
  Ctx ctx;
  return run(ctx, *Model::load(directory.string()), kIds);
}

std::map<std::string, DType> dtypes_of(const fs::path& directory) {
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory));
  std::map<std::string, DType> result;
  for (const io::StoredTensor* t : checkpoint.tensors()) result[t->name] = t->dtype;
  return result;
}

class ConvertTest : public ::testing::Test {
 protected:
  fs::path random(const std::string& name, DType dtype, u64 seed = 3) {
    write_random_checkpoint(ctx_, ragged_v3(), root_ / name,
                            {.dtype = dtype,
                             .weight_std = 0.1,
                             .router_bias_std = 0.1,
                             .seed = seed,
                             .max_shard_bytes = 1'500'000});
    return root_ / name;
  }
  ConvertReport convert(const fs::path& from, const std::string& name, DType dtype,
                        ops::ScaleFormat format = ops::ScaleFormat::kF32) {
    return convert_checkpoint(
        ctx_, from, root_ / name,
        {.storage = {.dtype = dtype}, .scale_format = format, .max_shard_bytes = 1'500'000});
  }
  ConvertReport convert_to(const fs::path& from, const std::string& name, const Storage& storage) {
    return convert_checkpoint(ctx_, from, root_ / name,
                              {.storage = storage, .max_shard_bytes = 1'500'000});
  }
  Ctx ctx_;
  TempDir root_;
};

TEST_F(ConvertTest, ARandomCheckpointLoadsAndRepeats) {
  for (const DType dtype : {DType::kF32, DType::kBF16, DType::kF8E4M3}) {
    const std::string name(dtype_name(dtype));
    const fs::path directory = random(name, dtype);
    const auto model = Model::load(directory.string());
    EXPECT_TRUE(model->has_mtp());
    EXPECT_EQ(model->config().quantization_config.has_value(), dtype == DType::kF8E4M3);
    expect_bitwise_equal(logits_of(random(name + "_again", dtype)), logits_of(directory));
    EXPECT_GT(relative_error(logits_of(random(name + "_other", dtype, 4)), logits_of(directory)),
              0.1);
    EXPECT_THROW(random(name, dtype), Error);  // there is a model already
  }
}

TEST_F(ConvertTest, RandomWeightsHaveTheAskedForDeviation) {
  const fs::path directory = random("f32", DType::kF32);
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory));
  std::vector<float> scratch;
  double sum = 0.0, squares = 0.0;
  const auto values = checkpoint.find("model.embed_tokens.weight")->elements_as<float>(scratch);
  for (const float x : values) sum += x, squares += static_cast<double>(x) * x;
  const double count = static_cast<double>(values.size());
  EXPECT_NEAR(sum / count, 0.0, 0.003);
  EXPECT_NEAR(std::sqrt(squares / count), 0.1, 0.003);
  for (const float x : checkpoint.find("model.norm.weight")->elements_as<float>(scratch)) {
    EXPECT_EQ(x, 1.0f);
  }
}

TEST_F(ConvertTest, Bf16ToF32AndBackIsTheSame) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const ConvertReport up = convert(bf16, "f32", DType::kF32);
  EXPECT_GT(up.num_shards, 1);
  for (const TensorConversion& t : up.tensors) EXPECT_EQ(t.max_error, 0.0) << t.name;
  const i64 bias_bytes = 2 * 8 * 4;  // of the two MoE layers; F32 before and after
  EXPECT_EQ(up.bytes_after, 2 * (up.bytes_before - bias_bytes) + bias_bytes);
  convert(root_ / "f32", "bf16_again", DType::kBF16);
  EXPECT_EQ(dtypes_of(root_ / "bf16_again"), dtypes_of(bf16));
  expect_bitwise_equal(logits_of(root_ / "bf16_again"), logits_of(bf16));
}

TEST_F(ConvertTest, Fp8IsLaidOutAsReleased) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const ConvertReport report = convert(bf16, "fp8", DType::kF8E4M3);
  const auto dtypes = dtypes_of(root_ / "fp8");
  const std::string layer = "model.layers.1.";
  for (const char* name : {"self_attn.q_a_proj.weight", "self_attn.kv_b_proj.weight",
                           "mlp.experts.7.down_proj.weight", "mlp.shared_experts.up_proj.weight"}) {
    EXPECT_EQ(dtypes.at(layer + name), DType::kF8E4M3) << name;
    EXPECT_EQ(dtypes.at(layer + name + "_scale_inv"), DType::kF32) << name;
  }
  for (const char* name : {"model.embed_tokens.weight", "lm_head.weight", "model.norm.weight",
                           "model.layers.1.mlp.gate.weight", "model.layers.2.eh_proj.weight",
                           "model.layers.2.shared_head.head.weight"}) {
    EXPECT_EQ(dtypes.at(name), DType::kBF16) << name;
  }
  EXPECT_EQ(dtypes.at("model.layers.1.mlp.gate.e_score_correction_bias"), DType::kF32);
  for (const TensorConversion& t : report.tensors) {
    EXPECT_LE(t.max_error, t.to.dtype == DType::kF8E4M3 ? 1.0 / 16 : 0.0) << t.name;
    EXPECT_LE(t.rms_error, 0.04) << t.name;
  }
  EXPECT_LT(report.bytes_after, report.bytes_before);
  EXPECT_TRUE(Model::load((root_ / "fp8").string())->config().quantization_config.has_value());
  const double error = relative_error(logits_of(root_ / "fp8"), logits_of(bf16));
  RecordProperty("fp8_vs_bf16", std::to_string(error));
  EXPECT_LE(error, 0.2);
  EXPECT_GT(error, 0.0);
}

TEST_F(ConvertTest, Fp8ToF32KeepsEveryValue) {
  const fs::path fp8 = random("fp8", DType::kF8E4M3);
  const ConvertReport report = convert(fp8, "f32", DType::kF32);
  for (const TensorConversion& t : report.tensors) EXPECT_EQ(t.max_error, 0.0) << t.name;
  EXPECT_FALSE(Model::load((root_ / "f32").string())->config().quantization_config.has_value());
  for (const auto& [name, dtype] : dtypes_of(root_ / "f32")) {
    EXPECT_EQ(dtype, DType::kF32) << name;
    EXPECT_FALSE(name.ends_with("_scale_inv")) << name;
  }
  EXPECT_LE(relative_error(logits_of(root_ / "f32"), logits_of(fp8)), 1e-5);
}

TEST_F(ConvertTest, PowerOfTwoScales) {
  convert(random("fp8", DType::kF8E4M3), "ue8m0", DType::kF8E4M3, ops::ScaleFormat::kUe8m0);
  const auto config = value_or_throw(load_model_config(root_ / "ue8m0"));
  EXPECT_EQ(config.quantization_config->scale_fmt, "ue8m0");
  const auto checkpoint = value_or_throw(io::Checkpoint::open(root_ / "ue8m0"));
  std::vector<float> scratch;
  const auto scales = checkpoint.find("model.layers.0.self_attn.o_proj.weight_scale_inv")
                          ->elements_as<float>(scratch);
  for (const float scale : scales) {
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5f) << scale;
  }
}

TEST_F(ConvertTest, PackedIntegersAreLaidOutAsCompressedTensorsReadsThem) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const Storage int4 = {.dtype = DType::kI32, .bits = 4, .group_size = 32};
  const ConvertReport report = convert_to(bf16, "int4", int4);
  const auto checkpoint = value_or_throw(io::Checkpoint::open(root_ / "int4"));
  const std::string name = "model.layers.1.mlp.experts.7.up_proj.weight";  // [48, 160]
  EXPECT_EQ(checkpoint.find(name), nullptr);
  EXPECT_EQ(checkpoint.find(name + "_packed")->dtype, DType::kI32);
  EXPECT_EQ(checkpoint.find(name + "_packed")->shape, (std::vector<i64>{48, 20}));
  EXPECT_EQ(checkpoint.find(name + "_scale")->dtype, DType::kBF16);
  EXPECT_EQ(checkpoint.find(name + "_scale")->shape, (std::vector<i64>{48, 5}));
  std::vector<i64> scratch;
  EXPECT_THAT(checkpoint.find(name + "_shape")->elements_as<i64>(scratch),
              ::testing::ElementsAre(48, 160));
  // 48 columns are no whole groups: such a matrix keeps BF16, and the config says so.
  const std::string ragged = "model.layers.1.mlp.experts.7.down_proj";
  EXPECT_EQ(checkpoint.find(ragged + ".weight")->dtype, DType::kBF16);
  const auto config = value_or_throw(load_model_config(root_ / "int4"));
  ASSERT_TRUE(config.quantization_config && config.quantization_config->is_packed());
  EXPECT_THAT(config.quantization_config->ignore,
              ::testing::AllOf(::testing::Contains(ragged), ::testing::Contains("lm_head"),
                               ::testing::Contains("model.layers.1.mlp.gate")));
  for (const TensorConversion& t : report.tensors) {
    EXPECT_LE(t.rms_error, t.to.bits == 4 ? 0.12 : 0.0) << t.name;
  }
  EXPECT_LE(relative_error(logits_of(root_ / "int4"), logits_of(bf16)), 0.5);
}

TEST_F(ConvertTest, PackedIntegersToF32AndBackKeepEveryValue) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  for (const int bits : {4, 8}) {
    for (const i64 group : {i64{32}, i64{128}}) {
      const Storage storage = {.dtype = DType::kI32, .bits = bits, .group_size = group};
      const std::string name = "int" + std::to_string(bits) + "_" + std::to_string(group);
      const ConvertReport report = convert_to(bf16, name, storage);
      EXPECT_LT(report.bytes_after, report.bytes_before) << name;
      for (const TensorConversion& t : convert(root_ / name, name + "_f32", DType::kF32).tensors) {
        EXPECT_EQ(t.max_error, 0.0) << name << " " << t.name;
      }
      EXPECT_LE(relative_error(logits_of(root_ / (name + "_f32")), logits_of(root_ / name)), 1e-5)
          << name;
      convert_to(root_ / name, name + "_again", storage);  // copied byte for byte
      expect_bitwise_equal(logits_of(root_ / (name + "_again")), logits_of(root_ / name), name);
    }
  }
}

TEST_F(ConvertTest, EmbeddingAndHeadArePackedOnDemand) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert_to(bf16, "int8", {.dtype = DType::kI32, .bits = 8, .group_size = 32, .head = true});
  const auto dtypes = dtypes_of(root_ / "int8");
  EXPECT_EQ(dtypes.at("lm_head.weight_packed"), DType::kI32);
  EXPECT_EQ(dtypes.at("model.embed_tokens.weight_packed"), DType::kI32);
  EXPECT_EQ(dtypes.at("model.layers.1.mlp.gate.weight"), DType::kBF16);
  EXPECT_LE(relative_error(logits_of(root_ / "int8"), logits_of(bf16)), 0.05);
}

TEST_F(ConvertTest, KeepsOtherKeysAndFiles) {
  const fs::path from = random("bf16", DType::kBF16);
  auto json = value_or_throw(io::read_json(from / "config.json"));
  json.as_object().set("transformers_version", "4.33.1");
  io::write_file_atomically(from / "config.json", io::write_json(json));
  for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                           "chat_template.jinja", "LICENSE", "modeling.py", "pytorch.bin"}) {
    io::write_file_atomically(from / name, name);
  }
  const ConvertReport report = convert(from, "fp8", DType::kF8E4M3);
  EXPECT_THAT(report.copied_files,
              ::testing::ElementsAre("LICENSE", "chat_template.jinja", "generation_config.json",
                                     "tokenizer.json", "tokenizer_config.json"));
  EXPECT_EQ(root_.read("fp8/tokenizer.json"), "tokenizer.json");
  EXPECT_FALSE(fs::exists(root_ / "fp8/modeling.py"));
  const auto config = value_or_throw(io::read_json(root_ / "fp8" / "config.json"));
  EXPECT_EQ(config.find("transformers_version")->as_string(), "4.33.1");
  EXPECT_EQ(config.find("quantization_config")->find("fmt")->as_string(), "e4m3");
}

TEST_F(ConvertTest, RefusesAndLeavesNothingBehind) {
  const fs::path from = random("bf16", DType::kBF16);
  EXPECT_THAT([&] { convert(from, "bf16", DType::kF32); },
              ThrowsMessage<Error>(HasSubstr("exists already")));
  const fs::path broken = root_ / "broken";
  fs::create_directories(broken);
  fs::copy_file(from / "config.json", broken / "config.json");
  EXPECT_THROW(convert(broken, "out", DType::kF32), Error);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(root_.path())) {
    names.push_back(entry.path().filename().string());
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("bf16", "broken"));
}

}  // namespace
}  // namespace fathom::model
