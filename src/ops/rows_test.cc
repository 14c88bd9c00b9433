#include "ops/rows.h"

#include <gmock/gmock.h>

#include "backend/backend.h"
#include "base/error.h"
#include "ops/upload.h"
#include "testing/expect.h"
#include "testing/stored_weights.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using ::testing::HasSubstr;
using testing::Tensor;

template <typename Call>
std::string message_of(Call&& call) {
  try {
    call();
  } catch (const InternalError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(GatherRows, TakesRowsInOrderFromStridedRows) {
  Ctx ctx = backend::make_context();
  const auto x = testing::normal<float>({5, 9});
  const std::vector<i32> ids = {4, 0, 4};
  Tensor<float> out({3, 7}), want({3, 7});
  gather_rows(ctx, x.v<2>().slice(1, 2, 7), {ids.data(), {3}}, out.v<2>());
  for (i64 r = 0; r < 3; ++r) {
    for (i64 i = 0; i < 7; ++i) want[r * 7 + i] = x[ids[static_cast<size_t>(r)] * 9 + 2 + i];
  }
  expect_bitwise_equal(out, want);
}

TEST(GatherRows, NamesAnIdOutside) {
  Ctx ctx = backend::make_context();
  const Tensor<float> x({2, 3});
  Tensor<float> out({1, 3});
  for (const i32 id : {-1, 2}) {
    EXPECT_THAT(message_of([&] {
                  gather_rows(ctx, x.cv<2>(), {&id, {1}}, out.v<2>());
                }),
                HasSubstr("row " + std::to_string(id) + " at 0 of x [2, 3]"));
  }
}

TEST(CopyIds, CopiesStridedRows) {
  Ctx ctx = backend::make_context();
  Tensor<i32> x({3, 5}), out({3, 2});
  for (i64 i = 0; i < x.size(); ++i) x[i] = static_cast<i32>(i) - 1;
  copy_ids(ctx, x.v<2>().slice(1, 3, 2), out.v<2>());
  for (i64 r = 0; r < 3; ++r) {
    for (i64 i = 0; i < 2; ++i) EXPECT_EQ(out[r * 2 + i], x[r * 5 + 3 + i]);
  }
  EXPECT_THAT(message_of([&] { copy_ids(ctx, x.v<2>(), out.v<2>()); }),
              HasSubstr("out [3, 2] vs x [3, 5]"));
}

TEST(Upload, IsTheMatrixItselfOnTheCpu) {
  Ctx ctx = backend::make_context();
  const testing::StoredWeights stored(testing::normal<float>({130, 140}), DType::kF8E4M3);
  Buffer storage;
  const MatRef uploaded = upload(ctx, stored.ref(), storage);
  EXPECT_EQ(uploaded.data, stored.ref().data);
  EXPECT_EQ(uploaded.scale, stored.ref().scale);
  EXPECT_EQ(storage.size_bytes(), 0);
}

}  // namespace
}  // namespace fathom::ops
