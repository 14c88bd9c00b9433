// Where a header and its tensors may end: exactly inside the file, not a byte behind it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstring>

#include "io/safetensors.h"
#include "io/safetensors_header.h"

namespace fathom::io {
namespace {

constexpr std::string_view kHeader = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

/// The header's length as announced, the header, `data_bytes` bytes.
Result<SafetensorsFile> parse(u64 announced, std::string_view header, size_t data_bytes) {
  static std::string bytes;  // the file's views point into it
  bytes.assign(8, '\0');
  std::memcpy(bytes.data(), &announced, 8);
  bytes += header;
  bytes.append(data_bytes, '\1');
  return SafetensorsFile::parse({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, "m");
}

std::string error_of(const Result<SafetensorsFile>& file) {
  return file ? "" : file.error().message();
}

TEST(SafetensorsEnd, TheHeaderEndsInTheFile) {
  // A file that is all header: its length is that of the file less the eight bytes that say it.
  const std::string only = "{}" + std::string(62, ' ');
  EXPECT_EQ(error_of(parse(only.size(), only, 0)), "");
  for (const u64 beyond : {1u, 7u, 8u, 9u}) {
    EXPECT_EQ(error_of(parse(only.size() + beyond, only, 0)),
              fmt::format("m: header length {}, but only 64 bytes follow; is the file truncated? "
                          "Then download it again",
                          64 + beyond));
  }
}

TEST(SafetensorsEnd, TheDataEndInTheFile) {
  EXPECT_EQ(error_of(parse(kHeader.size(), kHeader, 8)), "");
  EXPECT_NE(error_of(parse(kHeader.size(), kHeader, 7)), "");
  EXPECT_NE(error_of(parse(kHeader.size(), kHeader, 9)), "");
  EXPECT_NE(error_of(parse(kHeader.size(), kHeader, 0)), "");
}

TEST(SafetensorsEnd, ATensorFillsItsOffsets) {
  for (const char* shape : {"[1]", "[3]"}) {
    const std::string header =
        fmt::format(R"({{"a":{{"dtype":"F32","shape":{},"data_offsets":[0,8]}}}})", shape);
    EXPECT_NE(error_of(parse(header.size(), header, 8)).find("hold 8 bytes, expected"),
              std::string::npos)
        << shape;
  }
}

// So that tensors which begin where the data do are aligned in a mapped file.
TEST(SafetensorsEnd, WrittenHeadersEndAtAMultipleOf64) {
  for (const std::string name : {"a", "ab", "a much longer name of a tensor than the others"}) {
    const Header header = {
        .entries = {{.name = name, .dtype = DType::kF32, .shape = {2}, .begin = 0, .end = 8}},
        .metadata = {}};
    EXPECT_EQ(write_header(header).size() % 64, 0u) << name;
  }
}

TEST(SafetensorsEnd, TheLengthItselfMustBeThere) {
  const std::string bytes(7, '\0');
  const auto file =
      SafetensorsFile::parse({reinterpret_cast<const u8*>(bytes.data()), bytes.size()}, "m");
  EXPECT_EQ(error_of(file),
            "m: 7 bytes, expected at least the 8 bytes of a safetensors header length");
  EXPECT_EQ(error_of(parse(0, "", 0)), "m: the header does not begin with '{'");
}

}  // namespace
}  // namespace fathom::io
