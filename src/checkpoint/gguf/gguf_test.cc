// Golden models as llama.cpp's own converter writes them (tests/golden/gguf), against the Hugging
// Face directories they were made from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "backend/backend.h"
#include "checkpoint/gguf/load.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/parameters.h"
#include "checkpoint/tensor_codec.h"
#include "config/model/rope_frequencies.h"
#include "io/mapped_file.h"
#include "testing/golden_directory.h"

namespace fathom::checkpoint {
namespace {

using testing::golden_directory;

struct Case {
  const char* gguf;
  const char* directory;
};

class GgufModel : public ::testing::TestWithParam<Case> {
 protected:
  std::filesystem::path path_ = golden_directory("gguf") / (std::string(GetParam().gguf) + ".gguf");
  std::filesystem::path directory_ = golden_directory(GetParam().directory);
  io::gguf::File file_ = value_or_throw(io::gguf::File::open(path_));
};

INSTANTIATE_TEST_SUITE_P(Cases, GgufModel,
                         ::testing::Values(Case{"llama", "llama"}, Case{"llama_tied", "llama_tied"},
                                           Case{"llama_bias", "llama_bias"}, Case{"qwen2", "qwen2"},
                                           Case{"qwen3", "qwen3"}, Case{"qwen3_tied", "qwen3_tied"},
                                           Case{"v2_lite", "v2_lite"},
                                           Case{"v2_lite_kv_b", "v2_lite"}, Case{"v2", "v2"},
                                           Case{"v3", "v3"}, Case{"moonlight", "moonlight"}),
                         [](const auto& test) { return std::string(test.param.gguf); });

TEST_P(GgufModel, ConfigIsThatOfTheDirectory) {
  ModelConfig got = value_or_throw(gguf_model_config(file_));
  ModelConfig want = value_or_throw(load_model_config(directory_));
  // What the converter does not write: ids of a tokenizer that golden models lack, and numbers that
  // only initialisation reads.
  want.bos_token_id = want.pad_token_id = -1;
  want.eos_token_id.clear();
  want.initializer_range = got.initializer_range;
  want.torch_dtype = got.torch_dtype;
  // The file has one number for both; published models have both equal, the golden v2 has not.
  if (want.rope_scaling) want.rope_scaling->mscale = want.rope_scaling->mscale_all_dim;
  EXPECT_EQ(to_json(got), to_json(want));
}

TEST_P(GgufModel, RowsAreThoseOfTheDirectory) {
  Ctx ctx = backend::make_context();
  const ModelConfig config = value_or_throw(gguf_model_config(file_));
  const io::Checkpoint checkpoint = value_or_throw(io::Checkpoint::open(directory_));
  const auto parameters = value_or_throw(gguf_parameters(config, file_));
  EXPECT_EQ(parameters.size(), checkpoint.tensors().size());
  for (const GgufParameter& p : parameters) {
    const RowShape shape = row_shape(p.parameter.shape);
    std::vector<float> want(static_cast<size_t>(shape.rows * shape.cols)), got(want.size(), -1.0f);
    TensorReader(ctx, checkpoint, p.parameter)
        .read_rows(0, {want.data(), {shape.rows, shape.cols}});
    // Two calls, so that a head is cut.
    const i64 cut = shape.rows / 3;
    read_rows(p, 0, {got.data(), {cut, shape.cols}});
    read_rows(p, cut, {got.data() + cut * shape.cols, {shape.rows - cut, shape.cols}});
    EXPECT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0)
        << p.parameter.name;
  }
}

/// A golden file's bytes with one more key of four bytes. What is added is a multiple of the
/// alignment, so the tensors' offsets hold.
template <typename T>
std::string with_key(std::string bytes, const std::string& key, io::gguf::ValueType type, T value) {
  static_assert(sizeof(T) == 4);
  std::string added;
  const auto add = [&added](auto number) {
    added.append(reinterpret_cast<const char*>(&number), sizeof(number));
  };
  const auto add_key = [&](const std::string& name, io::gguf::ValueType of) {
    add(u64{name.size()});
    added += name;
    add(static_cast<u32>(of));
  };
  add_key(key, type);
  add(value);
  add_key("test.padding", io::gguf::ValueType::kString);
  const size_t padding = 32 - (added.size() + 8) % 32;
  add(u64{padding});
  added.append(padding, 'x');
  u64 pairs = 0;
  std::memcpy(&pairs, bytes.data() + 16, sizeof(pairs));
  pairs += 2;
  std::memcpy(bytes.data() + 16, &pairs, sizeof(pairs));
  return bytes.insert(24, added);
}

std::string golden_bytes(const char* name) {
  return value_or_throw(io::read_text(golden_directory("gguf") / name, i64{1} << 20));
}

Result<ModelConfig> config_of(const std::string& bytes) {
  const std::span<const u8> view(reinterpret_cast<const u8*>(bytes.data()), bytes.size());
  return gguf_model_config(value_or_throw(io::gguf::File::parse(view, "m.gguf")));
}

TEST(GgufQwen, AttnFactorMultipliesWhatYarnComputes) {
  const std::string bytes = golden_bytes("qwen2.gguf");
  const auto with = [&](const char* key, float value) {
    return value_or_throw(config_of(with_key(bytes, key, io::gguf::ValueType::kF32, value)));
  };
  const ModelConfig plain = value_or_throw(config_of(bytes));
  ASSERT_TRUE(plain.rope_scaling);
  EXPECT_NEAR(rope_cos_sin_factor(plain), 1.0 + 0.1 * std::log(4.0), 1e-6);
  EXPECT_NEAR(rope_cos_sin_factor(with("qwen2.rope.scaling.attn_factor", 0.5f)),
              0.5 * (1.0 + 0.1 * std::log(4.0)), 1e-6);
  // Converters write it for transformers' attention_factor and for others' attn_factor alike.
  EXPECT_EQ(to_json(with("qwen2.rope.scaling.yarn_attn_factor", 0.5f)), to_json(plain));
}

TEST(GgufQwen, WindowsAndExpertsAreRefused) {
  const auto error = [](const char* key) {
    const auto config =
        config_of(with_key(golden_bytes("qwen3.gguf"), key, io::gguf::ValueType::kU32, u32{4}));
    return config ? "no error" : config.error().message();
  };
  EXPECT_EQ(error("qwen3.attention.sliding_window"),
            "m.gguf: qwen3.attention.sliding_window is not 0: windows are not supported");
  EXPECT_THAT(error("qwen3.expert_count"), ::testing::HasSubstr("experts are not supported"));
}

// The same file called qwen2 has a bias on o that Qwen2 does not know.
TEST(GgufQwen, ABiasThatTheModelLacksIsRefused) {
  std::string bytes = golden_bytes("qwen3_tied.gguf");
  for (size_t at = bytes.find("qwen3"); at != bytes.npos; at = bytes.find("qwen3", at)) {
    bytes[at + 4] = '2';
  }
  const std::span<const u8> view(reinterpret_cast<const u8*>(bytes.data()), bytes.size());
  const auto file = value_or_throw(io::gguf::File::parse(view, "m.gguf"));
  const ModelConfig config = value_or_throw(gguf_model_config(file));
  EXPECT_EQ(config.architecture, Architecture::kQwen2);
  const auto parameters = gguf_parameters(config, file);
  ASSERT_FALSE(parameters);
  EXPECT_EQ(parameters.error().message(),
            "m.gguf: tensor blk.0.attn_output.bias: a bias there is not supported\n"
            "m.gguf: tensor blk.1.attn_output.bias: a bias there is not supported");
}

}  // namespace
}  // namespace fathom::checkpoint
