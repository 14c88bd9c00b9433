#include "tokenizer/chat/json.h"

#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

// Right column: python3 -c 'json.dumps(json.loads(...), ensure_ascii=False)'.
TEST(PythonJson, WritesAsPythonDoes) {
  const struct {
    std::string_view text, expected;
  } kCases[] = {
      {"{}", "{}"},
      {" [ ] ", "[]"},
      {"[1,2 ,\t3]", "[1, 2, 3]"},
      {"{\"a\":{\"b\" :[ ]},\"c\":[{}]}", "{\"a\": {\"b\": []}, \"c\": [{}]}"},
      {"[true,false,null]", "[true, false, null]"},
      {"[0,-0,-1,123456789012345678901234567890]", "[0, 0, -1, 123456789012345678901234567890]"},
      {"[1.0,-0.0,0.5,1e5,1E-5,0.0001,1e15,1e16,1e22,1.5e300,5e-324]",
       "[1.0, -0.0, 0.5, 100000.0, 1e-05, 0.0001, 1000000000000000.0, 1e+16, 1e+22, 1.5e+300, "
       "5e-324]"},
      {"[0.1,100.25,1234567890123456.7,12345678901234567.8,1e-400]",
       "[0.1, 100.25, 1234567890123456.8, 1.2345678901234568e+16, 0.0]"},
      {"\"a\\u00e9\\/\\ud83d\\ude00\\u20ac\\u0041\"", "\"aé/😀€A\""},
      {"\"\\\"\\\\\\n\\r\\t\\b\\f\\u0000\\u001f\\u007f\"",
       "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0000\\u001f\x7f\""},
      {"{\"} ]\": \", : {\"}", "{\"} ]\": \", : {\"}"},
      {"-12", "-12"},
  };
  for (const auto& each : kCases) EXPECT_EQ(python_json(each.text), each.expected) << each.text;
}

TEST(PythonJson, Indents) {
  EXPECT_EQ(python_json("{\"a\":[1,{\"b\":{}}],\"c\":\"\"}", 4),
            "{\n    \"a\": [\n        1,\n        {\n            \"b\": {}\n        }\n    ],\n"
            "    \"c\": \"\"\n}");
}

TEST(PythonJson, Members) {
  const auto members = python_members(R"( {"k\n" : "v\u00e9" , "n":1e2,"o":{"x":[1]} } )");
  ASSERT_EQ(members.size(), 3U);
  EXPECT_EQ(members[0].key, "k\n");
  EXPECT_TRUE(members[0].is_string);
  EXPECT_EQ(members[0].value, "vé");
  EXPECT_FALSE(members[1].is_string);
  EXPECT_EQ(members[1].value, "100.0");
  EXPECT_EQ(members[2].value, "{\"x\": [1]}");
  EXPECT_TRUE(python_members("{ }").empty());
}

}  // namespace
}  // namespace fathom::tokenizer
