#include "serve/generate/thought_memory.h"

#include <gtest/gtest.h>

#include <array>

namespace fathom::serve {
namespace {

TEST(ThoughtMemory, EveryCallOfATurnLeadsToItsThoughtAndNoOtherAccountsDoes) {
  ThoughtMemory memory;
  memory.keep("alice", std::array{std::string("call_1"), std::string("call_2")}, "Hm.");
  memory.keep("alice", std::array{std::string("call_3")}, "");
  EXPECT_EQ(memory.find("alice", "call_1"), "Hm.");
  EXPECT_EQ(memory.find("alice", "call_2"), "Hm.");
  EXPECT_EQ(memory.find("alice", "call_3"), "");
  EXPECT_EQ(memory.find("bob", "call_1"), "");
}

TEST(ThoughtMemory, WhatWasNotAskedForLongestGoesFirst) {
  const std::string thought(1000, 'x');
  ThoughtMemory memory(3500);  // three of them
  const auto keep = [&](const char* id) { memory.keep("a", std::array{std::string(id)}, thought); };
  keep("1");
  keep("2");
  keep("3");
  EXPECT_EQ(memory.find("a", "1"), thought);
  keep("4");
  EXPECT_EQ(memory.find("a", "2"), "");
  for (const char* const id : {"1", "3", "4"}) EXPECT_EQ(memory.find("a", id), thought) << id;
  memory.keep("a", std::array{std::string("5")}, std::string(9000, 'x'));
  EXPECT_EQ(memory.find("a", "5"), "") << "larger than all there is";
}

}  // namespace
}  // namespace fathom::serve
