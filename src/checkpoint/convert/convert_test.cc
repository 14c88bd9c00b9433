// Writing checkpoints: random ones, and conversions between F32, BF16 and FP8.
#include "checkpoint/convert/convert.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "checkpoint/check.h"
#include "checkpoint/test_support.h"
#include "config/model/quantization_targets.h"
#include "io/json.h"

namespace fathom::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

/// A matrix's storage as its tensors have it.
Storage stored_as(const io::Checkpoint& checkpoint, const Parameter& parameter) {
  if (const io::StoredTensor* plain = checkpoint.find(parameter.name)) return {plain->dtype};
  const PackedNames names(parameter.name);
  const PackedForm form = packed_form(*checkpoint.find(names.packed), *checkpoint.find(names.scale),
                                      parameter.shape[1]);
  return {.dtype = DType::kI32, .bits = form.bits, .group_size = form.group_size};
}

/// The same as config.json says it.
Storage announced(const QuantizationConfig& quantization, const Parameter& parameter) {
  const QuantizationGroup* group = group_of(quantization, module_of(parameter));
  if (group == nullptr) return kBf16;
  if (group->is_fp8) return kFp8;
  return {.dtype = DType::kI32, .bits = group->num_bits, .group_size = group->group_size};
}

/// Every linear layer is stored as config.json says; their storages by part.
std::map<ModelPart, std::set<std::string>> consistent_storages(const fs::path& directory) {
  const auto config = value_or_throw(load_model_config(directory));
  const auto checkpoint = value_or_throw(io::Checkpoint::open(directory));
  std::map<ModelPart, std::set<std::string>> result;
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.kind != ParameterKind::kMatrix) return;
    const Storage stored = stored_as(checkpoint, parameter);
    EXPECT_EQ(to_string(announced(*config.quantization_config, parameter)), to_string(stored))
        << parameter.name;
    result[parameter.role].insert(to_string(stored));
  });
  return result;
}

std::string file_text(const fs::path& path) {
  return value_or_throw(io::read_text(path, i64{64} << 20));
}

void expect_same_files(const fs::path& got, const fs::path& want) {
  for (const auto& entry : fs::directory_iterator(want)) {
    EXPECT_EQ(file_text(got / entry.path().filename()), file_text(entry.path())) << entry.path();
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
  EXPECT_TRUE(value_or_throw(load_model_config(root_ / "fp8")).quantization_config.has_value());
}

TEST_F(ConvertTest, Fp8ToF32KeepsEveryValue) {
  const fs::path fp8 = random("fp8", DType::kF8E4M3);
  const ConvertReport report = convert(fp8, "f32", DType::kF32);
  for (const TensorConversion& t : report.tensors) EXPECT_EQ(t.max_error, 0.0) << t.name;
  EXPECT_FALSE(value_or_throw(load_model_config(root_ / "f32")).quantization_config.has_value());
  for (const auto& [name, dtype] : dtypes_of(root_ / "f32")) {
    EXPECT_EQ(dtype, DType::kF32) << name;
    EXPECT_FALSE(name.ends_with("_scale_inv")) << name;
  }
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
  const ConvertReport report = convert_to(bf16, "int4", {.linear = kInt4});
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
  ASSERT_TRUE(config.quantization_config && config.quantization_config->is_compressed_tensors());
  EXPECT_THAT(config.quantization_config->ignore,
              ::testing::AllOf(::testing::Contains(ragged), ::testing::Contains("lm_head"),
                               ::testing::Contains("model.layers.1.mlp.gate")));
  for (const TensorConversion& t : report.tensors) {
    EXPECT_LE(t.rms_error, t.to.bits == 4 ? 0.12 : 0.0) << t.name;
  }
}

TEST_F(ConvertTest, PackedIntegersToF32AndBackKeepEveryValue) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  for (const int bits : {4, 8}) {
    for (const i64 group : {i64{32}, i64{128}}) {
      const ModelStorage storage = {
          .linear = {.dtype = DType::kI32, .bits = bits, .group_size = group}};
      const std::string name = "int" + std::to_string(bits) + "_" + std::to_string(group);
      const ConvertReport report = convert_to(bf16, name, storage);
      EXPECT_LT(report.bytes_after, report.bytes_before) << name;
      for (const TensorConversion& t : convert(root_ / name, name + "_f32", DType::kF32).tensors) {
        EXPECT_EQ(t.max_error, 0.0) << name << " " << t.name;
      }
      convert_to(root_ / name, name + "_again", storage);
      expect_same_files(root_ / (name + "_again"), root_ / name);
    }
  }
}

TEST_F(ConvertTest, EmbeddingAndHeadArePackedOnDemand) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert_to(bf16, "int8", {.linear = kInt8, .head = true});
  const auto dtypes = dtypes_of(root_ / "int8");
  EXPECT_EQ(dtypes.at("lm_head.weight_packed"), DType::kI32);
  EXPECT_EQ(dtypes.at("model.embed_tokens.weight_packed"), DType::kI32);
  EXPECT_EQ(dtypes.at("model.layers.1.mlp.gate.weight"), DType::kBF16);
}

TEST_F(ConvertTest, PartsAreStoredInTypesOfTheirOwn) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const ConvertReport report = convert_to(bf16, "mixed", {.linear = kFp8, .routed_experts = kInt4});
  const fs::path mixed = root_ / "mixed";
  auto storages = consistent_storages(mixed);
  const std::set<std::string> fp8 = {"F8_E4M3"};
  EXPECT_EQ(storages[ModelPart::kAttention], fp8);
  EXPECT_EQ(storages[ModelPart::kDenseFfn], fp8);
  EXPECT_EQ(storages[ModelPart::kSharedExperts], fp8);
  // down_proj has 48 columns: no whole groups.
  EXPECT_EQ(storages[ModelPart::kRoutedExperts],
            (std::set<std::string>{"BF16", "INT4 in groups of 32"}));

  const auto dtypes = dtypes_of(mixed);
  for (const char* layer : {"model.layers.1.", "model.layers.2."}) {  // 2 is the MTP module
    const std::string attention = std::string(layer) + "self_attn.o_proj.weight";
    EXPECT_EQ(dtypes.at(attention + "_scale"), DType::kF32);  // as compressed-tensors calls it
    EXPECT_FALSE(dtypes.contains(attention + "_scale_inv"));
    EXPECT_EQ(dtypes.at(std::string(layer) + "mlp.experts.7.up_proj.weight_packed"), DType::kI32);
  }
  EXPECT_EQ(dtypes.at("lm_head.weight"), DType::kBF16);
  const auto config = value_or_throw(io::read_json(mixed / "config.json"));
  EXPECT_EQ(config.find("quantization_config")->find("format")->as_string(), "mixed-precision");
  for (const TensorConversion& t : report.tensors) {
    EXPECT_LE(t.rms_error, t.to.bits == 4 ? 0.12 : t.to == kBf16 ? 0.0 : 0.04) << t.name;
  }
}

TEST_F(ConvertTest, EachPartCanDiffer) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  const std::map<ModelPart, ModelStorage> cases = {
      {ModelPart::kAttention, {.attention = kInt8}},
      {ModelPart::kRoutedExperts, {.routed_experts = kInt8}},
      {ModelPart::kSharedExperts, {.shared_experts = kInt8}},
      {ModelPart::kDenseFfn, {.dense_ffn = kInt8}}};
  for (const auto& [part, storage] : cases) {
    const std::string name(to_string(part));
    convert_to(bf16, name, storage);
    for (const auto& [role, stored] : consistent_storages(root_ / name)) {
      EXPECT_EQ(stored.contains("INT8 in groups of 32"), role == part)
          << name << ": " << to_string(role);
    }
  }
}

TEST_F(ConvertTest, TwoIntegerTypesInOneModel) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert_to(bf16, "mixed", {.linear = kInt8, .routed_experts = kInt4});
  auto storages = consistent_storages(root_ / "mixed");
  EXPECT_TRUE(storages[ModelPart::kAttention].contains("INT8 in groups of 32"));
  EXPECT_FALSE(storages[ModelPart::kAttention].contains("INT4 in groups of 32"));
  EXPECT_TRUE(storages[ModelPart::kRoutedExperts].contains("INT4 in groups of 32"));
  const auto config = value_or_throw(io::read_json(root_ / "mixed" / "config.json"));
  EXPECT_EQ(config.find("quantization_config")->find("format")->as_string(), "pack-quantized");
}

TEST_F(ConvertTest, MixedModelsConvertOn) {
  const ModelStorage storage = {.linear = kFp8, .routed_experts = kInt4};
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert_to(bf16, "mixed", storage);
  convert_to(root_ / "mixed", "again", storage);
  expect_same_files(root_ / "again", root_ / "mixed");
  for (const TensorConversion& t : convert(root_ / "mixed", "f32", DType::kF32).tensors) {
    EXPECT_EQ(t.max_error, 0.0) << t.name;
  }
  // FP8 tensors are copied; only their scales change names, here and back.
  for (const TensorConversion& t : convert(root_ / "mixed", "fp8", DType::kF8E4M3).tensors) {
    EXPECT_EQ(t.max_error > 0.0, t.role == ModelPart::kRoutedExperts) << t.name;
  }
  EXPECT_TRUE(dtypes_of(root_ / "fp8").contains("lm_head.weight"));
  EXPECT_TRUE(
      dtypes_of(root_ / "fp8").contains("model.layers.0.self_attn.o_proj.weight_scale_inv"));
  convert_to(root_ / "fp8", "back", {.linear = kFp8, .routed_experts = kInt4});
  EXPECT_TRUE(dtypes_of(root_ / "back").contains("model.layers.0.self_attn.o_proj.weight_scale"));
}

TEST_F(ConvertTest, Fp8BesideBf16StaysInTheReleasedForm) {
  const fs::path bf16 = random("bf16", DType::kBF16);
  convert_to(bf16, "mixed", {.linear = kFp8, .attention = kBf16, .routed_experts = kBf16});
  auto storages = consistent_storages(root_ / "mixed");
  EXPECT_EQ(storages[ModelPart::kAttention], std::set<std::string>{"BF16"});
  EXPECT_EQ(storages[ModelPart::kRoutedExperts], std::set<std::string>{"BF16"});
  EXPECT_EQ(storages[ModelPart::kDenseFfn], std::set<std::string>{"F8_E4M3"});
  const auto config = value_or_throw(load_model_config(root_ / "mixed"));
  EXPECT_EQ(config.quantization_config->quant_method, "fp8");
  EXPECT_THAT(config.quantization_config->ignore,
              ::testing::AllOf(::testing::Contains("model.layers.1.mlp.experts"),
                               ::testing::Contains("model.layers.0.self_attn.q_a_proj"),
                               ::testing::Not(::testing::Contains("lm_head"))));
  EXPECT_TRUE(dtypes_of(root_ / "mixed").contains("model.layers.0.mlp.up_proj.weight_scale_inv"));
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

// Groups of another size are other numbers: nothing is copied as it was.
TEST_F(ConvertTest, OtherGroupsAreQuantisedAnew) {
  Storage wide = kInt8;
  wide.group_size = 128;
  const fs::path narrow = root_ / "narrow";
  convert_to(random("bf16", DType::kBF16), "narrow", {.linear = kInt8});
  convert_to(narrow, "wide", {.linear = wide});
  auto storages = consistent_storages(root_ / "wide");
  EXPECT_TRUE(storages[ModelPart::kAttention].contains("INT8 in groups of 128"));
}

TEST_F(ConvertTest, ANumberThatIsNoneIsNoSmallError) {
  const std::string name = "model.layers.1.self_attn.o_proj.weight";
  LooseTensors tensors = tensors_of("v3");
  tensors[name].bytes[0] = 0xc0;
  tensors[name].bytes[1] = 0x7f;  // NaN in BF16
  const testing::TempDir damaged;
  write_model(damaged, "v3", tensors);
  const ConvertReport report = convert(damaged.path(), "f32", DType::kF32);
  const auto found = std::ranges::find(report.tensors, name, &TensorConversion::name);
  ASSERT_NE(found, report.tensors.end());
  EXPECT_TRUE(std::isnan(found->max_error));
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
}  // namespace fathom::checkpoint
