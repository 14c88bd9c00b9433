#include "tensor/view.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensor/mat_ref.h"
#include "tensor/saved_matrix.h"
#include "tensor/workspace.h"

namespace fathom {
namespace {

TEST(View, IndexesSlicesAndFlattens) {
  std::vector<float> data(24);
  std::iota(data.begin(), data.end(), 0.0f);
  const View<float, 3> v(data.data(), {2, 3, 4});
  EXPECT_EQ(v(1, 2, 3), 23.0f);
  EXPECT_EQ(v[1](0, 1), 13.0f);
  const auto tail = v.slice(2, 1, 2);
  EXPECT_EQ(tail(1, 0, 1), 14.0f);
  EXPECT_FALSE(tail.contiguous());
  EXPECT_EQ(v.flatten()(1, 5), 17.0f);
  EXPECT_EQ(to_string(v), "[2, 3, 4]");
}

TEST(View, RefusesASliceOutsideAndAFlattenOfStrided) {
  std::vector<float> data(24);
  const View<float, 3> v(data.data(), {2, 3, 4});
  EXPECT_THROW((void)v.slice(1, 2, 2), InternalError);
  EXPECT_THROW((void)v.slice(2, 0, 3).flatten(), InternalError);
}

TEST(Workspace, ReservesOnePiece) {
  Workspace workspace(Device::kCpu, 0);
  workspace.reserve(i64{3} << 20);
  EXPECT_GE(workspace.capacity_bytes(), i64{3} << 20);
  const i64 capacity = workspace.capacity_bytes();
  workspace.reserve(1000);  // there already
  EXPECT_EQ(workspace.capacity_bytes(), capacity);
  Workspace::Scope scope(workspace);
  scope.alloc<u8>(i64{3} << 20);
  EXPECT_EQ(workspace.capacity_bytes(), capacity);
  EXPECT_THROW(workspace.reserve(i64{4} << 20), InternalError);  // in use
}

TEST(Workspace, ScopesRewindAndChunksMerge) {
  Workspace workspace(Device::kCpu, 1024);
  {
    Workspace::Scope scope(workspace);
    auto a = scope.alloc<float>(3, 5);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % 64, 0u);
    EXPECT_EQ(workspace.used_bytes(), 64);
    a(2, 4) = 7.0f;
    {
      Workspace::Scope inner(workspace);
      auto big = inner.alloc<float>(1 << 20);  // a second chunk: the first must not move
      big(0) = 1.0f;
      EXPECT_EQ(a(2, 4), 7.0f);
    }
    EXPECT_EQ(workspace.used_bytes(), 64);
  }
  EXPECT_EQ(workspace.used_bytes(), 0);
  EXPECT_EQ(workspace.high_water_bytes(), 64 + (4 << 20));
  const i64 capacity = workspace.capacity_bytes();
  for (int step = 0; step < 3; ++step) {  // warm: the same demand grows nothing
    Workspace::Scope scope(workspace);
    (void)scope.alloc<float>(3, 5);
    (void)scope.alloc<float>(1 << 20);
    EXPECT_EQ(workspace.capacity_bytes(), capacity);
  }
}

// Sizes come from configs and requests: a product that wraps round must not become a small buffer.
TEST(Workspace, RefusesAShapeWhoseBytesAreNoNumber) {
  Workspace workspace(Device::kCpu, 0);
  Workspace::Scope scope(workspace);
  const i64 huge = i64{1} << 32;
  EXPECT_THROW(scope.alloc<float>(huge, huge), InternalError);
  EXPECT_THROW(scope.alloc<float>(i64{1} << 62), InternalError);
  EXPECT_THROW(scope.alloc<float>(i64{-2}, i64{-3}), InternalError);
  EXPECT_EQ(workspace.capacity_bytes(), 0);
}

TEST(Buffer, AskingForMoreThanFitsSaysHowMuch) {
  try {
    Buffer buffer(Device::kCpu, i64{1} << 60, "the latent cache");
    FAIL() << "an exbibyte was granted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_NE(error.message().find("the latent cache needs 1024.0 PiB, free are"),
              std::string::npos)
        << error.message();
  }
}

TEST(MatRef, RowSliceKeepsTheScaleBlockOfEachRow) {
  const std::vector<u8> data(300 * 130);
  const std::vector<float> scale(3 * 2);
  MatRef m;
  m.data = data.data();
  m.dtype = DType::kF8E4M3;
  m.rows = 300;
  m.cols = 130;
  m.scale = scale.data();
  m.scale_stride = 2;
  const MatRef part = m.row_slice(130, 100).row_slice(60, 40);  // rows 190..230 of m
  EXPECT_EQ(part.scale, scale.data() + 2);
  EXPECT_EQ(part.row_offset, 62);
  EXPECT_EQ(part.data, data.data() + 190 * 130);
  const MatRef second = m.row_slice(100, 200).row_slice(100, 40);  // rows 200..240, in block 1
  EXPECT_EQ(second.scale, scale.data() + 2);
  EXPECT_EQ(second.row_offset, 72);
}

TEST(MatRef, PackedRowsAreWholeWords) {
  MatRef m;
  m.dtype = DType::kI32;
  m.cols = 33;
  m.bits = 4;
  EXPECT_EQ(m.row_bytes(), 20);
  m.bits = 8;
  EXPECT_EQ(m.row_bytes(), 36);
}

TEST(SavedMatrix, RowsBeginOnAByte) {
  EXPECT_EQ(SavedMatrix::saved_row_bytes(SavedFormat::kE5m6Tiles, 4), 6);
  EXPECT_EQ(SavedMatrix::saved_row_bytes(SavedFormat::kE5m6Tiles, 5), 8);
  EXPECT_EQ(SavedMatrix::saved_row_bytes(SavedFormat::kE4m3Tiles, 5), 5);
  EXPECT_EQ(SavedMatrix::saved_row_bytes(SavedFormat::kBf16, 5), 10);
  EXPECT_EQ(SavedMatrix::scales_per_row(SavedFormat::kE5m6Tiles, 129), 2);
  EXPECT_EQ(SavedMatrix::scales_per_row(SavedFormat::kBf16, 129), 0);
}

// The last row of scales ends with its columns: what is copied must not reach beyond the array.
TEST(MatRef, StoredBytesEndWithTheLastScale) {
  const std::vector<u8> data(300 * 130);
  const std::vector<float> scale(2 * 8 + 2);
  MatRef m;
  m.data = data.data();
  m.dtype = DType::kF8E4M3;
  m.rows = 300;
  m.cols = 130;
  m.scale = scale.data();
  m.scale_stride = 8;
  EXPECT_EQ(m.scale_bytes(), std::ssize(scale) * 4);
  EXPECT_EQ(m.row_slice(130, 100).scale_bytes(), 2 * 4);
  EXPECT_EQ(m.stored_bytes(), 300 * 130 + m.scale_bytes());
  const std::vector<u16> group_scale(4 * 6 + 3);
  MatRef integers;
  integers.data = data.data();
  integers.dtype = DType::kI32;
  integers.bits = 4;
  integers.rows = 5;
  integers.cols = 80;
  integers.group_size = 32;
  integers.group_scale = group_scale.data();
  integers.group_stride = 6;
  EXPECT_EQ(integers.scale_bytes(), 0);
  EXPECT_EQ(integers.group_scale_bytes(), std::ssize(group_scale) * 2);
}

}  // namespace
}  // namespace fathom
