#include "serve/http/trusted_proxies.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace fathom::serve::http {
namespace {

TEST(TrustedProxies, TheClientIsTheLastOneThatNoTrustedProxyIs) {
  const TrustedProxies proxies({"127.0.0.1", "10.1.0.0/16", "fd00::/8"});
  const auto client = [&](const char* peer, const char* forwarded) {
    return proxies.client(peer, forwarded);
  };
  EXPECT_EQ(client("127.0.0.1", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client("127.0.0.1", "198.51.100.1, 203.0.113.9,10.1.2.3"), "203.0.113.9")
      << "what a client itself wrote counts for nothing";
  EXPECT_EQ(client("fd00::1", "2001:db8::7"), "2001:db8::7");
  EXPECT_EQ(client("::ffff:127.0.0.1", "203.0.113.9"), "203.0.113.9");
  EXPECT_EQ(client("203.0.113.5", "198.51.100.1"), "203.0.113.5") << "nobody we trust";
  EXPECT_EQ(client("10.2.0.1", "198.51.100.1"), "10.2.0.1") << "another network";
  EXPECT_EQ(client("127.0.0.1", ""), "127.0.0.1");
  EXPECT_EQ(client("127.0.0.1", "unknown"), "127.0.0.1");
  EXPECT_EQ(client("127.0.0.1", "nonsense, 10.1.0.1"), "10.1.0.1");
  EXPECT_EQ(client("127.0.0.1", "10.1.0.1, 10.1.0.2"), "10.1.0.1") << "a proxy asks for itself";
  EXPECT_EQ(TrustedProxies({}).client("127.0.0.1", "203.0.113.9"), "127.0.0.1");
}

TEST(TrustedProxies, WhatIsNoAddressIsNamed) {
  for (const char* const text :
       {"", "proxy", "10.0.0.0/33", "10.0.0/8", "fd00::/200", "1.2.3.4/"}) {
    try {
      const TrustedProxies proxies({"127.0.0.1", text});
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find(std::string("found \"") + text + "\""), std::string::npos)
          << error.message();
    }
  }
}

}  // namespace
}  // namespace fathom::serve::http
