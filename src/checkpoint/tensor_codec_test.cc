#include "checkpoint/tensor_codec.h"

#include <gtest/gtest.h>

#include <cmath>

#include "checkpoint/test_support.h"

namespace fathom::checkpoint {
namespace {

/// Row r of [256, 36]: numbers near 1 in the first 128 rows, near 1000 in the others.
std::vector<float> steep_rows() {
  std::vector<float> values(256 * 36);
  for (size_t i = 0; i < values.size(); ++i) {
    const float near_one = 1.0f - 0.001f * static_cast<float>(i % 36);
    values[i] = i < 128 * 36 ? near_one : 1000.0f * near_one;
  }
  return values;
}

TEST(TensorReader, RowsFromTheMiddleHaveTheirOwnScales) {
  Ctx ctx = backend::make_context();
  const std::vector<float> values = steep_rows();
  const Parameter parameter = {.name = "w", .shape = {256, 36}};
  for (const Storage& storage : {kBf16, kFp8, kInt8, kInt4}) {
    const testing::TempDir dir;
    std::vector<io::TensorSpec> specs;
    declare_parameter(specs, parameter, storage);
    io::CheckpointWriter writer(dir.path(), specs, i64{1} << 30);
    TensorEncoder encoder(ctx, writer, ops::ScaleFormat::kF32);
    encoder.append_rows("w", storage, {values.data(), {256, 36}});
    if (storage.bits != 0) encoder.append_shape("w", parameter.shape);
    writer.commit();

    const auto checkpoint = value_or_throw(io::Checkpoint::open(dir.path()));
    TensorReader reader(ctx, checkpoint, parameter);
    std::vector<float> rows(128 * 36);
    reader.read_rows(128, {rows.data(), {128, 36}});
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_NEAR(rows[i], values[128 * 36 + i], 80.0f) << to_string(storage) << " at " << i;
    }
  }
}

// Four columns fit one word in INT4 and in INT8: neither is guessed.
TEST(PackedForm, OfFewColumnsIsUnknown) {
  io::StoredTensor packed, scale;
  packed.shape = {8, 1};
  scale.shape = {8, 1};
  EXPECT_EQ(packed_form(packed, scale, 4).bits, 0);
  EXPECT_EQ(packed_form(packed, scale, 8).bits, 4);
  packed.shape = {8, 2};
  EXPECT_EQ(packed_form(packed, scale, 8).bits, 8);
}

}  // namespace
}  // namespace fathom::checkpoint
