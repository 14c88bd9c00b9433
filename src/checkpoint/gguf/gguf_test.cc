// Golden models as llama.cpp's own converter writes them (tests/golden/gguf), against the Hugging
// Face directories they were made from.
#include <gtest/gtest.h>

#include <cstring>

#include "backend/backend.h"
#include "checkpoint/gguf/load.h"
#include "checkpoint/gguf/model_config.h"
#include "checkpoint/gguf/parameters.h"
#include "checkpoint/tensor_codec.h"
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

}  // namespace
}  // namespace fathom::checkpoint
