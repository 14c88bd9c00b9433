#include "io/text/file_kind.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "io/text/text_file.h"
#include "testing/compress.h"
#include "testing/temp_dir.h"

namespace fathom::io {
namespace {

using namespace std::string_literals;  // NOLINT: strings with NUL

std::string name_of(std::string_view head) {
  const FileKind* kind = kind_of(head);
  return kind == nullptr ? "" : std::string(kind->name);
}

TEST(FileKind, IsKnownByItsFirstBytes) {
  const std::pair<std::string, std::string> kCases[] = {
      {"\x1f\x8b\x08\0"s, "gzip"},
      {"\x28\xb5\x2f\xfd\0"s, "zstd"},
      {"\x50\x2a\x4d\x18\x04\0\0\0"s, "zstd"},  // a skippable frame, as pzstd writes first
      {"BZh91AY&SY..", "bzip2"},
      {"\xfd\x37zXZ\0\0"s, "xz"},
      {"\x04\x22\x4d\x18..", "lz4"},
      {"PK\x03\x04...", "zip"},
      {"7z\xbc\xaf\x27\x1c\0"s, "7z"},
      {"Rar!\x1a\x07\x01\0"s, "rar"},
      {std::string(257, 'a') + "ustar\0"s + "00", "tar"},
      {"PAR1\x15\x04", "Parquet"},
      {"ARROW1\0\0...."s, "Arrow"},
      {"\xff\xff\xff\xff\x10\0\0\0"s, "an Arrow stream"},
      {"Obj\x01....", "Avro"},
      {"SQLite format 3\0..."s, "SQLite"},
      {"\x89HDF\r\n\x1a\n...", "HDF5"},
      {"\x93NUMPY\x01\0"s, "NumPy"},
      {"GGUF\x03\0\0\0\x10"s, "GGUF"},
      {"\x80\x04\x95....", "pickle"},
      {"\x58\0\0\0\0\0\0\0{\"__metadata__\":{}}"s, "safetensors"},
      {"%PDF-1.4\n%..", "PDF"},
      {"\x89PNG\r\n\x1a\n...", "PNG"},
      {"\xff\xd8\xff\xe0..JFIF", "JPEG"},
      {"\x7f"
       "ELF\x02\x01\x01",
       "ELF"},
      {"\xff\xfe"
       "a\0b\0"s,
       "UTF-16"},
      {"\xfe\xff\0a\0b"s, "UTF-16"},
      {"\xff\xfe\0\0a\0\0\0"s, "UTF-32"},
      {"T\0h\0e\0 \0s\0e\0a\0"s, "UTF-16 without a byte order mark"},
      {"\0T\0h\0e\0 \0s\0e\0a"s, "UTF-16 without a byte order mark"},
  };
  for (const auto& [head, name] : kCases) {
    EXPECT_EQ(name_of(head), name);
    if (name != "tar" && name != "UTF-16 without a byte order mark") {
      EXPECT_EQ(name_of(std::string(100, 'a') + head.substr(0, 4)), "")
          << name << " in the middle of a text";
    }
  }
}

TEST(FileKind, TextIsText) {
  for (const std::string& text : {""s,
                                  "a"s,
                                  "PK is a prefix"s,
                                  "BZhang wrote"s,
                                  "GGUF is a format"s,
                                  "I think WEBP is one"s,
                                  "MM and II"s,
                                  "Rar files"s,
                                  "7z is"s,
                                  "GIF8 or not"s,
                                  "ustar"s,
                                  "PAREsis"s,
                                  "BM, ORC, RIFF, ELF, MZ"s,
                                  "a line\twith\ttabs\r\n\f\v"s,
                                  "\x1b[31mred\x1b[0m and \x1b[1mbold"s,
                                  "one NUL \0 in a long enough text is damage, not a format"s,
                                  "\xEF\xBB\xBF with a mark"s,
                                  "caf\xe9 in Latin-1"s,
                                  "日本語のテキスト"s,
                                  "{\"text\": 1}"s}) {
    EXPECT_EQ(name_of(text), "") << text;
  }
}

TEST(FileKind, RandomBytesAreBinaryData) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    std::string bytes(kHeadBytes, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    EXPECT_NE(name_of(bytes), "");
  }
  EXPECT_EQ(name_of(std::string(100, '\0')), "binary data");
}

TEST(FileKind, WhatTextLooksLike) {
  EXPECT_EQ(looks_like("id,text\n1,a\n2,b\n"), "a table (CSV)");
  EXPECT_EQ(looks_like("id\ttext\n1\ta\n"), "a table (TSV)");
  EXPECT_EQ(looks_like("<?xml version"), "XML or HTML");
  EXPECT_EQ(looks_like("{\"a\":1}\n"), "JSON lines of another form");
  EXPECT_EQ(looks_like("Once, upon\na time\n"), "plain text");
  EXPECT_EQ(looks_like(""), "plain text");
  EXPECT_EQ(not_json_lines("{\"text\":\"a\"}\n"), "");
  EXPECT_EQ(not_json_lines(""), "");
  EXPECT_EQ(not_json_lines("{"), "");
  EXPECT_NE(not_json_lines("{ \r\n}"), "");
}

TEST(TextFile, KindsInsideCompressionAreSeen) {
  const testing::TempDir dir;
  const auto look = [&](std::string_view bytes) {
    const auto file = look_at_text(dir.write("a.txt", bytes));
    return file ? "text: " + file->head : file.error().message();
  };
  EXPECT_EQ(look(testing::gzip("words")), "text: words");
  EXPECT_EQ(look(testing::zstd("words")), "text: words");
  EXPECT_EQ(look(testing::gzip(std::string(257, 'a') + "ustar\0"s)),
            "is tar inside gzip, expected text; unpack it first");
  EXPECT_EQ(look(testing::zstd(testing::gzip("words"))),
            "is gzip inside zstd, expected text; unpack it once");
  EXPECT_EQ(look(testing::gzip("words").substr(0, 11)), "text: ") << "damage is the reader's";
  EXPECT_EQ(look_at_text(dir / "none")->head, "");
  EXPECT_EQ(look_at_text(dir.path()).error().message().substr(0, 29),
            "is a folder, expected a file:");
}

}  // namespace
}  // namespace fathom::io
