#include "io/mapped_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using ::testing::HasSubstr;

TEST(ReadText, TakesAsManyBytesAsAllowedAndNotOneMore) {
  const fathom::testing::TempDir dir;
  const auto path = dir.write("text", "12345");
  EXPECT_EQ(*read_text(path, 5), "12345");
  const auto refused = read_text(path, 4);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("5 bytes, expected at most 4"));
}

}  // namespace
}  // namespace fathom::io
