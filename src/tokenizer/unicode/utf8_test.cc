#include "tokenizer/unicode/utf8.h"

#include <gtest/gtest.h>

#include <string>

#include "tokenizer/byte_level.h"
#include "tokenizer/test_random_text.h"

namespace fathom::tokenizer {
namespace {

using namespace std::string_literals;  // NOLINT: strings with NUL

std::string repaired(std::string_view bytes) {
  std::string storage;
  return std::string(valid_utf8(bytes, storage));
}

// The expected values are Python's bytes.decode("utf-8", errors="replace").
TEST(Utf8, EachMaximalIllFormedPartBecomesOneReplacement) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(repaired("\xFF"), r);
  EXPECT_EQ(repaired("\xC0\xAF"), r + r);  // overlong slash
  EXPECT_EQ(repaired("\xE2\x82"), r);      // the start of a euro sign
  EXPECT_EQ(repaired("\xE2\x82z"), r + "z");
  EXPECT_EQ(repaired("\xED\xA0\x80"), r + r + r);  // a surrogate
  EXPECT_EQ(repaired("\xF0\x9F\x98"), r);
  EXPECT_EQ(repaired("\xF4\x90\x80\x80"), r + r + r + r);  // above U+10FFFF
  EXPECT_EQ(repaired("\xF0\x80\x80"), r + r + r);
  EXPECT_EQ(repaired("\xE0\x9F\xBF"), r + r + r);  // overlong U+07FF
  EXPECT_EQ(repaired("\xE0\xA0\x80"), "\xE0\xA0\x80");
  EXPECT_EQ(repaired("a\x80"
                     "b\xC3"),
            "a" + r + "b" + r);
  EXPECT_EQ(repaired("12345678\xE2\x82\xAC"
                     "12345678\xE2"),
            "12345678€12345678" + r);
}

TEST(Utf8, ValidTextIsNotCopied) {
  const std::string text = "plain, é, €, 😀, and a NUL \0 in the middle of more than eight bytes"s;
  std::string storage;
  EXPECT_EQ(valid_utf8(text, storage).data(), text.data());
  EXPECT_TRUE(storage.empty());
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string encoded;
    append_utf8(c, encoded);
    ASSERT_EQ(valid_utf8_prefix_bytes(encoded), encoded.size()) << static_cast<u32>(c);
    const CodePoint decoded = decode_utf8(encoded, 0);
    ASSERT_EQ(decoded.value, c);
    ASSERT_EQ(decoded.num_bytes, encoded.size());
  }
}

TEST(Utf8, RepairingAnyBytesGivesValidText) {
  RandomText random(1);
  for (int i = 0; i < 5000; ++i) {
    const std::string fixed = repaired(random.bytes(24));
    ASSERT_EQ(valid_utf8_prefix_bytes(fixed), fixed.size());
  }
}

TEST(ByteLevel, SpellsLikeGpt2) {
  EXPECT_EQ(spell_bytes(" a\n"), "ĠaĊ");
  EXPECT_EQ(spell_bytes("é"), "Ã©");
  EXPECT_EQ(spell_bytes(std::string("\0\x7F\xAD", 3)), "ĀġŃ");
  EXPECT_EQ(unspell_bytes("ĠÃ©"), " é");
}

TEST(ByteLevel, EveryByteRoundTrips) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string bytes(1, static_cast<char>(byte));
    EXPECT_EQ(unspell_bytes(spell_bytes(bytes)), bytes);
  }
}

TEST(ByteLevel, OtherCharactersAreNoSpelling) {
  for (const char* text : {" ", "\n", "ń", "｜", "<｜User｜>", "😀"}) {
    EXPECT_EQ(unspell_bytes(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace fathom::tokenizer
