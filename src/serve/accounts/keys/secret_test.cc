#include "serve/accounts/keys/secret.h"

#include <gtest/gtest.h>

#include <set>

namespace fathom::serve {
namespace {

TEST(SecretTest, KeysAreLongRandomAndPlain) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const std::string secret = make_secret();
    ASSERT_TRUE(secret.starts_with("sk-fathom-"));
    EXPECT_EQ(secret.size(), 10 + 43u) << "32 bytes in base64url";
    EXPECT_EQ(secret.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
              std::string::npos);
    EXPECT_TRUE(seen.insert(secret).second);
  }
}

TEST(SecretTest, DigestsAreSha256) {
  // `printf abc | sha256sum`
  const char* const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const KeyDigest digest = digest_of("abc");
  EXPECT_EQ(to_hex(digest), abc);
  KeyDigest read = {};
  EXPECT_TRUE(from_hex(abc, read));
  EXPECT_TRUE(is_same(read, digest));
  read[31] ^= 1;
  EXPECT_FALSE(is_same(read, digest));
  EXPECT_TRUE(from_hex("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD", read));
  EXPECT_TRUE(is_same(read, digest));
}

TEST(SecretTest, HexadecimalIsReadStrictly) {
  KeyDigest read = {};
  EXPECT_FALSE(from_hex("", read));
  EXPECT_FALSE(from_hex(std::string(63, '0'), read));
  EXPECT_FALSE(from_hex(std::string(65, '0'), read));
  EXPECT_FALSE(from_hex(std::string(63, '0') + "g", read));
}

TEST(SecretTest, TheShownPartIsShort) {
  EXPECT_EQ(shown_part("sk-fathom-ABCDEFGHIJKL"), "ABCDEFGH");
  EXPECT_EQ(shown_part("other"), "other");
}

}  // namespace
}  // namespace fathom::serve
