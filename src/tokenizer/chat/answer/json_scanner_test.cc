#include "tokenizer/chat/answer/json_scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "io/json.h"

namespace fathom::tokenizer {
namespace {

TEST(JsonScanner, TakesWhatTheParserTakes) {
  const std::vector<std::string> pieces = {"{",         "}", "[",      "]",    ",",    ":", "\"a\"",
                                           "\"b\\\"\"", "1", "-2.5e3", "true", "null", " ", "\"",
                                           "\\u00e9",   "x"};
  std::mt19937 random(5);
  i64 num_good = 0;
  const auto check = [&](const std::string& text) {
    JsonScanner scanner;
    auto state = JsonScanner::State::kMore;
    size_t read = 0;
    while (read < text.size() && state == JsonScanner::State::kMore)
      state = scanner.push(text[read++]);
    const auto parsed = io::parse_json(text.substr(0, read), "");
    const bool is_object = parsed && parsed->is_object();
    const bool is_repeated = !parsed && parsed.error().message().find("twice") != std::string::npos;
    if (state == JsonScanner::State::kDone && !is_object && !is_repeated) {
      ADD_FAILURE() << text << ": " << parsed.error().message();
    }
    EXPECT_FALSE(state != JsonScanner::State::kDone && is_object) << text;
    num_good += is_object ? 1 : 0;
  };
  for (int i = 0; i < 200'000; ++i) {
    std::string text = "{";
    for (size_t n = random() % 9; n > 0; --n) text += pieces[random() % pieces.size()];
    check(text);
  }
  for (const char* text :
       {R"({"a": [1, {"b": []}], "c": "d\n\u12aF", "e": -0.5E+1, "f": false} )", "{}", "[1]", "1",
        R"({"a": 01})", R"({"a": 1,})", R"({"a" 1})", R"({"a": [1,]})", R"({"a": "\x"})",
        R"({"a": "\u12g4"})", "{\"a\": \"\n\"}", R"({"a": nul})", R"({'a': 1})", R"({"a": 1]})"}) {
    check(text);
  }
  EXPECT_GT(num_good, 500);
}

}  // namespace
}  // namespace fathom::tokenizer
