#include "serve/route/prompt_words.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "serve/http/client.h"

namespace fathom::serve {
namespace {

PromptWords words_of(const std::string& body, std::vector<http::Header> headers = {}) {
  http::Request request;
  request.headers = std::move(headers);
  request.body = body;
  return prompt_words(request);
}

i64 common(const PromptWords& a, const PromptWords& b) {
  return std::ranges::mismatch(a.words, b.words).in1 - a.words.begin();
}

const std::string kSystem(400, 's');

TEST(PromptWordsTest, AConversationThatGoesOnBeginsAlike) {
  const std::string begin = R"("messages":[{"role":"system","content":")" + kSystem +
                            R"("},{"role":"user","content":"Hi"})";
  const auto first = words_of("{" + begin + "]}");
  const auto next = words_of(R"({"temperature":0.5,)" + begin +
                             R"(,{"role":"assistant","content":"Yes"}],"model":"m"})");
  EXPECT_GE(common(first, next) + 2, std::ssize(first.words)) << "but for the bracket at the end";
  const auto other = words_of(R"({"messages":[{"role":"user","content":"Hi"}]})");
  EXPECT_LT(common(first, other), 8);
}

TEST(PromptWordsTest, WhatTemplatesPutFirstComesFirst) {
  const auto with = words_of(R"({"messages":[1],"system":"abcdefgh"})");
  const auto without = words_of(R"({"messages":[2],"system":"abcdefgh"})");
  EXPECT_EQ(common(with, without), 2);
}

TEST(PromptWordsTest, TextsAndIdsBeginAlikeToo) {
  EXPECT_EQ(common(words_of(R"({"prompt":"abcdefgh"})"), words_of(R"({"prompt":"abcdefghijkl"})")),
            2);
  EXPECT_GE(common(words_of(R"({"prompt":[11,22,33,44,55]})"),
                   words_of(R"({"prompt":[11,22,33,44,66]})")),
            3);
}

TEST(PromptWordsTest, CallersAndSaltsAreToldApart) {
  EXPECT_NE(words_of("{}", {{"authorization", "Bearer a"}}).tenant,
            words_of("{}", {{"x-api-key", "b"}}).tenant);
  EXPECT_EQ(words_of(R"({"cache_salt":"x"})").salt, "x");
}

TEST(PromptWordsTest, WhatIsNotUnderstoodHasNoWords) {
  for (const char* body : {"", "{", "[]", R"({"messages":)", R"({"cache_salt":3})"}) {
    EXPECT_TRUE(words_of(body).words.empty()) << body;
  }
}

TEST(ServerUrlTest, HostsPortsAndNothingElse) {
  EXPECT_EQ(http::parse_server_url("http://a.b:81")->authority(), "a.b:81");
  EXPECT_EQ(http::parse_server_url("http://a/")->authority(), "a:80");
  EXPECT_EQ(http::parse_server_url("http://[::1]:8080")->authority(), "[::1]:8080");
  for (const char* url : {"", "a:80", "https://a", "http://", "http://:80",
                          "http://a:", "http://a:0", "http://a:65536", "http://a:1x", "http://a/b",
                          "http://u@a", "http://a b", "http://[::1", "http://[x y]"}) {
    EXPECT_FALSE(http::parse_server_url(url)) << url;
  }
}

TEST(PromptWordsTest, OfALongTextTheBeginningCounts) {
  const std::string text(3 << 20, 'x');
  EXPECT_EQ(words_of(R"({"prompt":")" + text + R"("})").words.size(), size_t{1} << 18);
}

TEST(ConnectionNamesTest, AreWholeAndTrimmed) {
  EXPECT_EQ(http::connection_names(" close ,X-Mine,\tTE\t,, "),
            (std::vector<std::string>{"close", "x-mine", "te"}));
  EXPECT_TRUE(http::connection_names("").empty());
}

}  // namespace
}  // namespace fathom::serve
