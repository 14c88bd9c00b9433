#include "io/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace fathom::io {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// 8 bytes of length, the header, `data_bytes` of 0, 1, 2, ...
std::string file_of(std::string_view header, size_t data_bytes) {
  std::string bytes(8, '\0');
  const u64 length = header.size();
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

std::span<const u8> as_bytes(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

std::string error_of(const std::string& bytes) {
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "m.safetensors");
  return file ? "no error" : file.error().message();
}
std::string error_of(std::string_view header, size_t data_bytes) {
  return error_of(file_of(header, data_bytes));
}

// Written by Python's safetensors 0.8.0 with torch 2.13.0 from
//   {"b": [[1.5, -2.0, 3.25]] bf16, "a": [1.0, -0.5] f32, "scalar": 7 i64, "e": zeros(0, 4) f16,
//    "q": [1, 448, -0.5] e4m3, "flag": [True, False]}, metadata {"format": "pt", "note": "é"}
constexpr std::string_view kPythonHeader =
    "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"\xc3\xa9\"},"
    "\"scalar\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
    "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]},"
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,3],\"data_offsets\":[16,22]},"
    "\"e\":{\"dtype\":\"F16\",\"shape\":[0,4],\"data_offsets\":[22,22]},"
    "\"q\":{\"dtype\":\"F8_E4M3\",\"shape\":[3],\"data_offsets\":[22,25]},"
    "\"flag\":{\"dtype\":\"BOOL\",\"shape\":[2],\"data_offsets\":[25,27]}}    ";
constexpr std::string_view kPythonData(
    "\x07\0\0\0\0\0\0\0\0\0\x80\x3f\0\0\0\xbf\xc0\x3f\0\xc0\x50\x40\x38\x7e\xb0\x01\0", 27);

TEST(Safetensors, ReadsWhatPythonWrote) {
  const std::string bytes = file_of(kPythonHeader, 0) + std::string(kPythonData);
  const auto file = SafetensorsFile::parse(as_bytes(bytes), "python.safetensors");
  ASSERT_TRUE(file) << file.error().message();
  EXPECT_EQ(file->metadata(), (Metadata{{"format", "pt"}, {"note", "\xc3\xa9"}}));
  ASSERT_EQ(file->tensors().size(), 6u);

  std::vector<i64> integers;
  const StoredTensor* scalar = file->find("scalar");
  ASSERT_NE(scalar, nullptr);
  EXPECT_EQ(to_string(*scalar), "[] I64");
  EXPECT_EQ(scalar->elements_as(integers)[0], 7);

  std::vector<float> floats;
  const auto a = file->find("a")->elements_as(floats);
  EXPECT_EQ(std::vector<float>(a.begin(), a.end()), (std::vector<float>{1.0f, -0.5f}));

  const StoredTensor* b = file->find("b");
  EXPECT_EQ(to_string(*b), "[1, 3] BF16");
  EXPECT_EQ(b->file_name, "python.safetensors");
  std::vector<u16> halves;
  const auto b_bits = b->elements_as(halves);
  EXPECT_EQ(std::vector<u16>(b_bits.begin(), b_bits.end()),
            (std::vector<u16>{0x3fc0, 0xc000, 0x4050}));

  EXPECT_EQ(to_string(*file->find("e")), "[0, 4] F16");
  EXPECT_TRUE(file->find("e")->bytes.empty());
  EXPECT_EQ(file->find("q")->dtype, DType::kF8E4M3);
  EXPECT_EQ(file->find("q")->bytes[1], 0x7e);
  EXPECT_EQ(file->find("flag")->dtype, DType::kBool);
  EXPECT_EQ(file->find("none"), nullptr);
}

TEST(Safetensors, UnalignedTensorsAreCopiedWhenReadAsElements) {
  // An odd-sized tensor first: `x` cannot be aligned to 4 whatever the map's address is.
  const std::string bytes = file_of(R"({"odd":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                                    R"("x":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})",
                                    9);
  std::string shifted;
  for (size_t shift = 0; shift < 4; ++shift) {
    shifted = std::string(shift, '\0') + bytes;
    const auto file = SafetensorsFile::parse(as_bytes(shifted).subspan(shift), "x");
    ASSERT_TRUE(file) << file.error().message();
    const StoredTensor& x = *file->find("x");
    std::vector<u32> scratch;
    const auto elements = x.elements_as(scratch);
    EXPECT_EQ(elements[0], 0x04030201u);
    EXPECT_EQ(elements[1], 0x08070605u);
    EXPECT_EQ(scratch.empty(), x.aligned_to(4));
  }
}

TEST(Safetensors, AcceptsWhatTheReferenceAccepts) {
  EXPECT_EQ(error_of("{}", 0), "no error");
  EXPECT_EQ(error_of(R"({"__metadata__":{}}        )", 0), "no error");
  EXPECT_EQ(error_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],)"
                     R"("extra":{"x":[1,{"y":null}]},"more":-1.5}})",
                     1),
            "no error")
      << "members it does not know are ignored";
  EXPECT_EQ(error_of(R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
                     R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                     R"("z":{"dtype":"F32","shape":[3,0],"data_offsets":[1,1]}})",
                     2),
            "no error")
      << "any order in the header, empty tensors anywhere";
}

TEST(Safetensors, RefusesABadLength) {
  EXPECT_THAT(error_of(std::string("\x02\0\0", 3)),
              AllOf(HasSubstr("m.safetensors: 3 bytes"), HasSubstr("at least the 8 bytes")));
  EXPECT_THAT(error_of(std::string("\x10\0\0\0\0\0\0\0{}", 10)),
              HasSubstr("header length 16, but only 2 bytes follow; is the file truncated?"));
  EXPECT_THAT(error_of(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10)),
              HasSubstr("header length 100000001, expected at most 100000000"));
  EXPECT_THAT(error_of(std::string(16, '\xff')), HasSubstr("header length 18446744073709551615"));
}

TEST(Safetensors, RefusesWhatIsNoHeader) {
  EXPECT_THAT(error_of(" {}", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(error_of("[]", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(error_of("", 0), HasSubstr("does not begin with '{'"));
  EXPECT_THAT(error_of("{} {}", 0), HasSubstr("expected end of input"));
  EXPECT_THAT(error_of("{\"a\":", 0), HasSubstr("m.safetensors: header:1:"));
  EXPECT_THAT(error_of(R"({"a":7})", 0), HasSubstr("tensor `a`: expected an object, found 7"));
  EXPECT_THAT(error_of(R"({"a":[]})", 0), HasSubstr("expected an object, found an array"));
  EXPECT_EQ(error_of(R"({"__metadata__":null}      )", 0), "no error") << "as in the reference";
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":null}})", 0), HasSubstr("found null"));
  EXPECT_THAT(error_of(R"({"a":null})", 0),
              HasSubstr("tensor `a`: expected an object, found null"));
  EXPECT_THAT(error_of(R"({"__metadata__":3})", 0),
              HasSubstr("__metadata__: expected an object, found 3"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":3}})", 0),
              HasSubstr("__metadata__ `k`: expected a string, found 3"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":{}}})", 0), HasSubstr("found an object"));
}

TEST(Safetensors, RefusesDeepJson) {
  const std::string open(100000, '[');
  EXPECT_THAT(error_of("{\"a\":{\"x\":" + open, 0), HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of("{\"a\":{\"shape\":[[", 0),
              HasSubstr("shape: expected sizes, found an array"));
}

/// A tensor "a" with the given fields over 4 bytes of data.
std::string error_of_tensor(std::string_view fields) {
  return error_of(fmt::format("{{\"a\":{{{}}}}}", fields), 4);
}

TEST(Safetensors, RefusesBadFields) {
  EXPECT_THAT(error_of_tensor(R"("shape":[4],"data_offsets":[0,4])"),
              HasSubstr("tensor `a`: dtype: missing"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","data_offsets":[0,4])"), HasSubstr("shape: missing"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[4])"), HasSubstr("data_offsets: missing"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"F4","shape":[4],"data_offsets":[0,4])"),
              HasSubstr("dtype: found F4, which is not supported"));
  EXPECT_THAT(error_of_tensor(R"("dtype":8,"shape":[4],"data_offsets":[0,4])"),
              HasSubstr("dtype: expected a string, found 8"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":4,"data_offsets":[0,4])"),
              HasSubstr("shape: expected an array, found 4"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[-4],"data_offsets":[0,4])"),
              HasSubstr("shape: expected sizes, found -4"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[4.0],"data_offsets":[0,4])"),
              HasSubstr("shape: expected sizes, found the number 4.0"));
  EXPECT_THAT(
      error_of_tensor(R"("dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,4])"),
      HasSubstr("found 18446744073709551615"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],)"
                              R"("data_offsets":[0,4])"),
              HasSubstr("shape: more than 16 axes"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[4],"data_offsets":[0])"),
              HasSubstr("data_offsets: expected two byte offsets, found 1"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[4],"data_offsets":[0,4,4])"),
              HasSubstr("data_offsets: expected two byte offsets, found a third"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4])"),
              HasSubstr("dtype stands there twice"));
}

TEST(Safetensors, RefusesBadOffsets) {
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[4],"data_offsets":[4,0])"),
              HasSubstr("data_offsets [4, 0] do not lie in the file's 4 bytes"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[5],"data_offsets":[0,5])"),
              HasSubstr("is the file truncated?"));
  EXPECT_THAT(
      error_of_tensor(
          R"("dtype":"U8","shape":[1],"data_offsets":[9223372036854775806,9223372036854775807])"),
      HasSubstr("do not lie in the file"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"),
              HasSubstr("hold 4 bytes, expected 8 = shape [2] x 4 bytes of F32"));
  EXPECT_THAT(
      error_of_tensor(R"("dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,4])"),
      HasSubstr("shape [4294967296, 4294967296] overflows"));
  EXPECT_THAT(
      error_of_tensor(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,4])"),
      HasSubstr("overflows"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[3],"data_offsets":[0,3])"),
              HasSubstr("the header describes 3 bytes of tensor data, the file has 4"));
  EXPECT_THAT(error_of_tensor(R"("dtype":"U8","shape":[3],"data_offsets":[1,4])"),
              AllOf(HasSubstr("begin at 1, expected 0"), HasSubstr("a hole in the data")));
}

TEST(Safetensors, RefusesOverlapsAndDuplicates) {
  const auto two = [](const char* first, const char* second, const char* name) {
    return error_of(fmt::format(R"({{"a":{{"dtype":"U8","shape":[2],"data_offsets":{}}},)"
                                R"("{}":{{"dtype":"U8","shape":[2],"data_offsets":{}}}}})",
                                first, name, second),
                    4);
  };
  EXPECT_EQ(two("[0,2]", "[2,4]", "b"), "no error");
  EXPECT_THAT(two("[0,2]", "[1,3]", "b"),
              AllOf(HasSubstr("tensor `b`"), HasSubstr("tensors overlap")));
  EXPECT_THAT(two("[0,2]", "[0,2]", "b"), HasSubstr("tensors overlap"));
  EXPECT_THAT(two("[0,2]", "[2,4]", "a"), HasSubstr("tensor `a` stands in the header twice"));
}

// Every prefix of a good file, and every flip of one bit in its header, is an error or a file:
// never a crash, and never a tensor outside the bytes.
TEST(Safetensors, TruncatedAndDamagedFilesAreSafe) {
  const std::string good = file_of(kPythonHeader, 0) + std::string(kPythonData);
  for (size_t size = 0; size < good.size(); ++size) {
    const std::string cut = good.substr(0, size);
    EXPECT_FALSE(SafetensorsFile::parse(as_bytes(cut), "cut")) << size;
  }
  for (size_t bit = 0; bit < 8 * (8 + kPythonHeader.size()); ++bit) {
    std::string damaged = good;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto file = SafetensorsFile::parse(as_bytes(damaged), "damaged");
    if (!file) continue;
    size_t sum = 0;
    for (const StoredTensor& tensor : file->tensors()) sum += tensor.bytes.size();
    EXPECT_EQ(sum, kPythonData.size()) << bit;
  }
}

}  // namespace
}  // namespace fathom::io
