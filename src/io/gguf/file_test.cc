#include "io/gguf/file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "io/gguf/dequantize.h"
#include "io/safetensors.h"
#include "testing/golden_directory.h"
#include "testing/temp_dir.h"

namespace fathom::io::gguf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::span<const u8> as_bytes(std::string_view text) {
  return {reinterpret_cast<const u8*>(text.data()), text.size()};
}

/// Writes the format by hand, so that a test can write what no library would.
class Writer {
 public:
  template <typename T>
  Writer& number(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    text_.append(bytes, sizeof(T));
    return *this;
  }
  Writer& string(std::string_view value) {
    number<u64>(value.size());
    text_ += value;
    return *this;
  }
  Writer& header(u64 tensors, u64 pairs, u32 version = 3) {
    text_ += "GGUF";
    return number<u32>(version).number<u64>(tensors).number<u64>(pairs);
  }
  Writer& pair(std::string_view key, ValueType type) {
    return string(key).number<u32>(static_cast<u32>(type));
  }
  Writer& tensor(std::string_view name, const std::vector<u64>& extents, u32 type, u64 offset) {
    string(name).number<u32>(static_cast<u32>(extents.size()));
    for (u64 extent : extents) number<u64>(extent);
    return number<u32>(type).number<u64>(offset);
  }
  /// Pads to the alignment and adds `data_bytes` bytes.
  std::string data(size_t data_bytes, size_t alignment = 32) {
    std::string out = text_;
    out.resize((out.size() + alignment - 1) / alignment * alignment);
    out.append(data_bytes, '\x01');
    return out;
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string error_of(const std::string& bytes) {
  const auto file = File::parse(as_bytes(bytes), "m.gguf");
  return file ? "no error" : file.error().message();
}

class GgufTypes : public ::testing::Test {
 protected:
  File file_ = value_or_throw(File::open(testing::golden_directory("gguf") / "types.gguf"));
};

TEST_F(GgufTypes, EveryTypeIsDequantisedAsTheGgufPackageDoes) {
  const auto want = value_or_throw(
      SafetensorsFile::open(testing::golden_directory("gguf") / "types.safetensors"));
  ASSERT_EQ(file_.tensors().size(), 16u);
  ASSERT_EQ(want.tensors().size(), 16u);
  for (const Tensor& tensor : file_.tensors()) {
    const StoredTensor* expected = want.find(tensor.name);
    ASSERT_NE(expected, nullptr) << tensor.name;
    EXPECT_THAT(tensor.shape, ElementsAre(2, 512)) << tensor.name;
    EXPECT_EQ(fmt::format("{}.weight", info(tensor.type).name), tensor.name);
    std::vector<float> got(static_cast<size_t>(tensor.elements()));
    dequantize(tensor.type, tensor.bytes, got);
    EXPECT_EQ(std::memcmp(got.data(), expected->bytes.data(), expected->bytes.size()), 0)
        << tensor.name;
  }
}

TEST_F(GgufTypes, MetadataOfEveryKind) {
  const Metadata& metadata = file_.metadata();
  EXPECT_EQ(metadata.keys()[0], "general.architecture");
  EXPECT_EQ(metadata.string("general.architecture").value(), "llama");
  EXPECT_EQ(metadata.string("general.name").value(), "every type");
  EXPECT_THAT(metadata.integers("test.integers").value(), ElementsAre(1, -2, 3));
  EXPECT_THAT(metadata.strings("test.words").value(), ElementsAre("", "a", "\u00e9\u00e8"));
  EXPECT_THAT(metadata.numbers("test.numbers").value(), ElementsAre(0.5, -1.25));
  EXPECT_TRUE(metadata.boolean("test.flag").value());
  EXPECT_EQ(metadata.integer("test.small").value(), -7);
  EXPECT_EQ(metadata.number("test.double").value(), 1e300);
  EXPECT_EQ(metadata.number("test.large").value(), 9223372036854775813.0);
}

TEST_F(GgufTypes, AccessorsSayWhatWasFoundAndExpected) {
  const Metadata& metadata = file_.metadata();
  EXPECT_EQ(metadata.integer("llama.block_count").error().message(),
            "types.gguf: the metadata has no llama.block_count");
  EXPECT_EQ(metadata.integer("general.name").error().message(),
            "types.gguf: general.name is string \"every type\", expected an integer below 2^63");
  EXPECT_EQ(metadata.integer("test.large").error().message(),
            "types.gguf: test.large is u64 9223372036854775813, expected an integer below 2^63");
  EXPECT_EQ(metadata.string("test.small").error().message(),
            "types.gguf: test.small is i8 -7, expected a string");
  EXPECT_EQ(metadata.boolean("test.double").error().message(),
            "types.gguf: test.double is f64 1e+300, expected true or false");
  EXPECT_EQ(metadata.numbers("test.words").error().message(),
            "types.gguf: test.words is array of 3 string, expected an array of numbers");
  EXPECT_EQ(metadata.strings("test.integers").error().message(),
            "types.gguf: test.integers is array of 3 i32, expected an array of strings");
}

TEST(GgufFile, EveryTruncationIsRefused) {
  Writer writer;
  writer.header(1, 2).pair("general.architecture", ValueType::kString).string("llama");
  writer.pair("words", ValueType::kArray).number<u32>(8).number<u64>(2).string("a").string("bc");
  const std::string whole = writer.tensor("t", {4, 2}, 0, 0).data(32);
  ASSERT_TRUE(File::parse(as_bytes(whole), "m.gguf"));
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto file = File::parse(as_bytes(whole.substr(0, size)), "m.gguf");
    ASSERT_FALSE(file) << size;
    EXPECT_THAT(file.error().message(), HasSubstr("truncated?")) << size;
  }
}

TEST(GgufFile, VersionTwoIsReadAndOthersAreNamed) {
  EXPECT_TRUE(File::parse(as_bytes(Writer().header(0, 0, 2).data(0)), "m.gguf"));
  EXPECT_EQ(error_of(Writer().header(0, 0, 1).data(0)), "m.gguf: GGUF version 1, expected 2 or 3");
  EXPECT_EQ(error_of(Writer().header(0, 0, 4).data(0)), "m.gguf: GGUF version 4, expected 2 or 3");
  EXPECT_EQ(error_of(Writer().header(0, 0, 0x03000000).data(0)),
            "m.gguf: a big-endian GGUF file, expected little endian");
  EXPECT_EQ(error_of("ggml" + std::string(40, '\0')),
            "m.gguf: begins with \"ggml\", expected \"GGUF\"");
}

TEST(GgufFile, CountsAreCheckedBeforeAnythingIsAllocated) {
  constexpr u64 kHuge = ~u64{0};
  EXPECT_THAT(error_of(Writer().header(kHuge, 0).data(0)), HasSubstr("expected at most 1000000"));
  EXPECT_THAT(error_of(Writer().header(0, kHuge).data(0)), HasSubstr("expected at most 100000"));
  EXPECT_THAT(error_of(Writer().header(0, 1).number<u64>(kHuge).data(64)),
              HasSubstr("a key at byte 32 takes 18446744073709551615 bytes"));
  EXPECT_THAT(
      error_of(Writer().header(0, 1).pair("k", ValueType::kString).number<u64>(kHuge).data(9)),
      HasSubstr("takes 18446744073709551615 bytes"));
  for (const u32 element : {0u, 5u, 8u, 12u}) {
    EXPECT_THAT(error_of(Writer()
                             .header(0, 1)
                             .pair("k", ValueType::kArray)
                             .number<u32>(element)
                             .number<u64>(kHuge / 4)
                             .data(64)),
                HasSubstr("k is an array of 4611686018427387903"));
  }
}

TEST(GgufFile, HostileValues) {
  EXPECT_EQ(error_of(Writer().header(0, 1).pair("k", ValueType{13}).data(64)),
            "m.gguf: k has the value type 13, expected 0 to 12");
  EXPECT_EQ(error_of(Writer().header(0, 1).pair("k", ValueType::kArray).number<u32>(9).data(64)),
            "m.gguf: k is an array of arrays; no model needs one");
  EXPECT_EQ(
      error_of(Writer().header(0, 1).pair("k\n\xff", ValueType::kBool).number<u8>(2).data(64)),
      "m.gguf: k?? is a bool of 2, expected 0 or 1");
  Writer twice;
  twice.header(0, 2);
  for (int i = 0; i < 2; ++i) twice.pair("k", ValueType::kU8).number<u8>(1);
  EXPECT_EQ(error_of(twice.data(0)), "m.gguf: the key k is there twice");
}

TEST(GgufFile, HostileTensors) {
  const auto one = [](const std::vector<u64>& extents, u32 type, u64 offset, size_t data_bytes) {
    return error_of(Writer().header(1, 0).tensor("t", extents, type, offset).data(data_bytes));
  };
  EXPECT_EQ(one({8}, 0, 0, 32), "no error");
  EXPECT_EQ(one({}, 0, 0, 32), "m.gguf: tensor t has 0 axes, expected 1 to 4");
  EXPECT_EQ(one({1, 1, 1, 1, 1}, 0, 0, 32), "m.gguf: tensor t has 5 axes, expected 1 to 4");
  EXPECT_THAT(one({0, 4}, 0, 0, 32), HasSubstr("has an extent of 0"));
  EXPECT_THAT(one({u64{1} << 63}, 0, 0, 32), HasSubstr("has an extent of 9223372036854775808"));
  EXPECT_THAT(one({u64{1} << 32, u64{1} << 31}, 0, 0, 32), HasSubstr("fewer than 2^63 elements"));
  EXPECT_THAT(one({u64{1} << 62}, 0, 0, 32), HasSubstr("more than 2^63 bytes"));
  EXPECT_EQ(one({8}, 16, 0, 32),
            "m.gguf: tensor t is of IQ2_XXS (type 16), which is not supported");
  EXPECT_EQ(one({8}, 99, 0, 32),
            "m.gguf: tensor t is of an unknown type (type 99), which is not supported");
  EXPECT_EQ(one({48, 2}, 8, 0, 320),
            "m.gguf: tensor t is [2, 48] Q8_0, expected rows of whole blocks of 32");
  EXPECT_EQ(one({8}, 0, 8, 64),
            "m.gguf: tensor t begins at byte 8 of the data, expected a multiple of 32");
  EXPECT_THAT(one({8}, 0, 32, 63),
              HasSubstr("the file has 63; is it truncated? Then download it again"));
  EXPECT_THAT(one({8}, 0, ~u64{31}, 64),
              HasSubstr("the file has 64; is it truncated? Then download it again"));
}

TEST(GgufFile, TensorsMayNotOverlapOrShareAName) {
  EXPECT_EQ(
      error_of(Writer().header(2, 0).tensor("b", {8}, 0, 32).tensor("a", {16}, 0, 0).data(64)),
      "m.gguf: tensors a and b overlap at byte 32 of the data");
  EXPECT_EQ(error_of(Writer().header(2, 0).tensor("a", {8}, 0, 0).tensor("a", {8}, 0, 32).data(64)),
            "m.gguf: the tensor a is there twice");
}

TEST(GgufFile, AlignmentIsAPowerOfTwo) {
  const auto with = [](u32 alignment) {
    return error_of(Writer()
                        .header(1, 1)
                        .pair("general.alignment", ValueType::kU32)
                        .number<u32>(alignment)
                        .tensor("t", {8}, 0, 0)
                        .data(32, alignment == 64 ? 64 : 8));
  };
  EXPECT_EQ(with(8), "no error");
  EXPECT_EQ(with(64), "no error");
  for (const u32 wrong : {0u, 24u, 1u << 21}) {
    EXPECT_THAT(with(wrong), HasSubstr("expected a power of two up to 1048576")) << wrong;
  }
}

/// Two parts of one model, as `llama-gguf-split` lays them out.
class GgufParts : public ::testing::Test {
 protected:
  static std::string part(u16 number, u16 count, std::string_view tensor, i32 tensors = 2) {
    Writer writer;
    writer.header(1, 4)
        .pair("general.name", ValueType::kString)
        .string(fmt::format("part {}", number));
    writer.pair("split.no", ValueType::kU16).number<u16>(number);
    writer.pair("split.count", ValueType::kU16).number<u16>(count);
    writer.pair("split.tensors.count", ValueType::kI32).number<i32>(tensors);
    return writer.tensor(tensor, {8}, 0, 0).data(32);
  }
  std::filesystem::path write(std::string_view name, const std::string& bytes) {
    std::ofstream(directory_.path() / name, std::ios::binary) << bytes;
    return directory_.path() / name;
  }
  std::string open_error(const std::filesystem::path& path) {
    const auto file = File::open(path);
    return file ? "no error" : file.error().message();
  }

  testing::TempDir directory_;
};

TEST_F(GgufParts, AreOneModelWhicheverIsNamed) {
  const auto first = write("m-00001-of-00002.gguf", part(0, 2, "a"));
  const auto second = write("m-00002-of-00002.gguf", part(1, 2, "b"));
  for (const auto& path : {first, second}) {
    const File file = value_or_throw(File::open(path));
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.tensors()[0].name, "a");
    EXPECT_EQ(file.tensors()[1].file_name, "m-00002-of-00002.gguf");
    EXPECT_EQ(file.find("b"), &file.tensors()[1]);
    EXPECT_EQ(file.metadata().string("general.name").value(), "part 0");
    EXPECT_EQ(file.maps().size(), 2u);
  }
}

TEST_F(GgufParts, ThatDoNotBelongTogetherAreRefused) {
  const auto first = write("m-00001-of-00002.gguf", part(0, 2, "a"));
  EXPECT_THAT(open_error(first), HasSubstr("m-00002-of-00002.gguf"));
  write("m-00002-of-00002.gguf", part(0, 2, "b"));
  EXPECT_EQ(open_error(first),
            "m-00002-of-00002.gguf: says that it is part 1 of 2, expected 2 of 2");
  write("m-00002-of-00002.gguf", part(1, 2, "a"));
  EXPECT_EQ(open_error(first), "m-00002-of-00002.gguf: another part holds the tensor a too");
  write("m-00002-of-00002.gguf", part(1, 2, "b"));
  write("m-00001-of-00002.gguf", part(0, 2, "a", 3));
  EXPECT_EQ(open_error(first),
            "m-00001-of-00002.gguf: split.tensors.count is 3, but the 2 parts hold 2");
  EXPECT_THAT(open_error(write("renamed.gguf", part(0, 2, "a"))),
              HasSubstr("expected a name that ends in \"-00001-of-00002.gguf\""));
  EXPECT_THAT(open_error(write("past.gguf", part(2, 2, "a"))),
              HasSubstr("split.no is 2 and split.count 2"));
}

}  // namespace
}  // namespace fathom::io::gguf
