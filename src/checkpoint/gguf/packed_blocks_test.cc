// Blocks become packed integers without a change of any number: against what the `gguf` package
// dequantised (tests/golden/gguf/types.*).
#include "checkpoint/gguf/packed_blocks.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backend/backend.h"
#include "checkpoint/check.h"
#include "checkpoint/gguf/load.h"
#include "checkpoint/storage.h"
#include "checkpoint/stored_names.h"
#include "io/gguf/file.h"
#include "ops/quantize/quantize.h"
#include "testing/golden_directory.h"

namespace fathom::checkpoint {
namespace {

const io::StoredTensor* find(const std::vector<io::StoredTensor>& tensors,
                             const std::string& name) {
  for (const io::StoredTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

/// What the golden files call their tensor of `type`.
std::string name_of(io::gguf::Type type) {
  return std::string(io::gguf::info(type).name) + ".weight";
}

class PackedBlocksTest : public ::testing::TestWithParam<io::gguf::Type> {
 protected:
  /// A linear layer that holds the golden tensor of `type`.
  GgufParameter parameter_of(io::gguf::Type type) const {
    const std::string name = name_of(type);
    GgufParameter p;
    p.tensor = file_.find(name);
    EXPECT_NE(p.tensor, nullptr) << name;
    p.parameter.name = "x.weight";
    p.parameter.shape = {p.tensor->rows(), p.tensor->cols()};
    return p;
  }

  io::gguf::File file_ =
      value_or_throw(io::gguf::File::open(testing::golden_directory("gguf") / "types.gguf"));
};

INSTANTIATE_TEST_SUITE_P(Types, PackedBlocksTest,
                         ::testing::Values(io::gguf::Type::kQ8_0, io::gguf::Type::kQ4_0,
                                           io::gguf::Type::kQ4_1),
                         [](const auto& test) {
                           return std::string(io::gguf::info(test.param).name);
                         });

TEST_P(PackedBlocksTest, NumbersAreThoseOfTheGgufPackage) {
  const GgufParameter p = parameter_of(GetParam());
  std::vector<Buffer> storage;
  std::vector<io::StoredTensor> tensors;
  pack_parameter(p, storage, tensors);
  const PackedNames names(p.parameter.name);
  const io::StoredTensor* packed = find(tensors, names.packed);
  const io::StoredTensor* scale = find(tensors, names.scale);
  const io::StoredTensor* minimum = find(tensors, names.minimum);
  ASSERT_TRUE(packed != nullptr && scale != nullptr && find(tensors, names.shape) != nullptr);
  MatRef m;
  m.data = packed->bytes.data();
  m.dtype = packed->dtype;
  m.rows = p.parameter.shape[0];
  m.cols = p.parameter.shape[1];
  const PackedForm form = packed_form(*packed, *scale, m.cols);
  m.bits = form.bits;
  m.group_size = form.group_size;
  m.group_dtype = scale->dtype;
  m.group_scale = reinterpret_cast<const u16*>(scale->bytes.data());
  m.group_stride = scale->shape[1];
  if (minimum != nullptr) m.group_minimum = reinterpret_cast<const u16*>(minimum->bytes.data());
  EXPECT_EQ(m.bits, GetParam() == io::gguf::Type::kQ8_0 ? 8 : 4);

  const io::SafetensorsFile golden = value_or_throw(
      io::SafetensorsFile::open(testing::golden_directory("gguf") / "types.safetensors"));
  const io::StoredTensor* want = golden.find(name_of(GetParam()));
  ASSERT_NE(want, nullptr);
  std::vector<float> got(static_cast<size_t>(m.rows * m.cols), -1.0f);
  Ctx ctx = backend::make_context();
  ops::dequantize(ctx, m, {got.data(), {m.rows, m.cols}});
  ASSERT_EQ(want->bytes.size(), got.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(got.data(), want->bytes.data(), want->bytes.size()), 0);
}

TEST_P(PackedBlocksTest, RoutersVectorsAndSplitProjectionsAreNotPacked) {
  GgufParameter p = parameter_of(GetParam());
  EXPECT_TRUE(is_packable(p));
  p.source.form = GgufForm::kSplitKvB;
  EXPECT_FALSE(is_packable(p));
  p.source.form = GgufForm::kAsStored;
  p.parameter.kind = ParameterKind::kMatrixBf16;
  EXPECT_TRUE(is_packable(p)) << "an embedding";
  p.parameter.role = ModelPart::kRouter;
  EXPECT_FALSE(is_packable(p));
  p.parameter.part = ModelPart::kMtp;
  EXPECT_FALSE(may_be_quantised(p.parameter)) << "the router of an MTP module";
  p.parameter.kind = ParameterKind::kNorm;
  EXPECT_FALSE(is_packable(p));
}

// gate_proj is Q8_0 and up_proj Q4_0: one prepared input cannot serve both, so they are decoded.
TEST(PackedBlocks, OfTwoThatRunTogetherBothOrNone) {
  const GgufCheckpoint loaded = load_gguf(testing::golden_directory("gguf") / "qwen3_mixed.gguf");
  const auto is_packed = [&](const std::string& name) {
    const PackedNames names("model.layers.1." + name + ".weight");
    return loaded.checkpoint.find(names.packed) != nullptr;
  };
  EXPECT_TRUE(is_packed("self_attn.q_proj"));
  EXPECT_TRUE(is_packed("self_attn.k_proj"));
  EXPECT_FALSE(is_packed("mlp.gate_proj"));
  EXPECT_FALSE(is_packed("mlp.up_proj"));
  EXPECT_TRUE(check_checkpoint(loaded.config, loaded.checkpoint).problems.empty());
}

TEST(PackedBlocks, OtherTypesAreNotPacked) {
  EXPECT_FALSE(packed_blocks(io::gguf::Type::kQ5_0).has_value());
  EXPECT_FALSE(packed_blocks(io::gguf::Type::kQ4_K).has_value());
  EXPECT_FALSE(packed_blocks(io::gguf::Type::kBF16).has_value());
}

}  // namespace
}  // namespace fathom::checkpoint
