// The verdicts of engines that nobody here wrote: PCRE2 on random patterns and texts, and V8
// (golden file, made by tools/golden/make_regex_golden.py).
#define PCRE2_CODE_UNIT_WIDTH 8
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <pcre2.h>

#include <memory>
#include <optional>
#include <random>
#include <string>

#include "grammar/regex/parse_regex.h"
#include "io/json.h"
#include "testing/golden_directory.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

/// `text` inside a JSON string, each character spelled in a way that chance picks.
std::string spelled_in_json(std::string_view text, std::mt19937& random) {
  std::string spelled;
  for (size_t pos = 0; pos < text.size();) {
    const auto [value, num_bytes] = tokenizer::decode_utf8(text, pos);
    const bool must_escape = value < 0x20 || value == '"' || value == '\\';
    const u32 unit = value < 0x10000 ? value : 0xD800 + ((value - 0x10000) >> 10);
    if (value == '\n' && random() % 2 == 0) {
      spelled += "\\n";
    } else if (must_escape || random() % 3 == 0) {
      spelled +=
          random() % 2 == 0 ? fmt::format("\\u{:04x}", unit) : fmt::format("\\u{:04X}", unit);
      if (value >= 0x10000) spelled += fmt::format("\\u{:04x}", 0xDC00 + (value & 0x3FF));
    } else {
      spelled += text.substr(pos, num_bytes);
    }
    pos += num_bytes;
  }
  return spelled;
}

/// One pattern, searched for in texts as they are and in JSON strings.
class Searcher {
 public:
  explicit Searcher(std::string_view pattern) : random_(1) {
    for (const Spelling spelling : {Spelling::kUtf8, Spelling::kJson}) {
      const Regex found = value_or_throw(texts_with(arena_, pattern, spelling));
      (spelling == Spelling::kUtf8 ? utf8_ : json_) = found;
    }
  }
  bool finds(std::string_view text) { return arena_.matches(utf8_, text); }
  bool finds_in_json(std::string_view text) {
    return arena_.matches(json_, spelled_in_json(text, random_));
  }

 private:
  RegexArena arena_;
  Regex utf8_{}, json_{};
  std::mt19937 random_;
};

class Pcre2 {
 public:
  explicit Pcre2(const std::string& pattern) {
    int error = 0;
    size_t offset = 0;
    constexpr u32 kOptions = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALLOW_EMPTY_CLASS;
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                              kOptions, &error, &offset, nullptr));
    if (code_) data_.reset(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
  }
  bool compiled() const { return code_ != nullptr; }
  /// nullopt where it gives up.
  std::optional<bool> finds(const std::string& text) {
    const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), 0, 0, data_.get(), nullptr);
    if (found >= 0) return true;
    return found == PCRE2_ERROR_NOMATCH ? std::optional(false) : std::nullopt;
  }

 private:
  struct Free {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };
  std::unique_ptr<pcre2_code, Free> code_;
  std::unique_ptr<pcre2_match_data, Free> data_;
};

/// Patterns that mean the same to PCRE2 and to ECMA-262.
class RandomPattern {
 public:
  explicit RandomPattern(u32 seed) : random_(seed) {}

  std::string make(int depth) {
    std::string pattern;
    const u32 num_choices = pick(4) == 0 ? 2 + pick(2) : 1;
    for (u32 i = 0; i < num_choices; ++i) {
      if (i > 0) pattern += '|';
      for (u32 terms = pick(4) == 0 ? 0 : 1 + pick(3); terms-- > 0;) pattern += term(depth);
    }
    return pattern;
  }
  std::string text() {
    std::string text;
    for (u32 length = pick(7); length-- > 0;) text += one_of({"a", "b", "c", "1", "-", "é", "\n"});
    return text;
  }

 private:
  u32 pick(u32 count) { return static_cast<u32>(random_() % count); }
  std::string one_of(const std::vector<std::string>& all) {
    return all[pick(static_cast<u32>(all.size()))];
  }

  std::string term(int depth) {
    if (pick(7) == 0) return one_of({"^", "$"});
    std::string atom =
        depth > 0 && pick(3) == 0
            ? one_of({"(", "(?:", "(?<n" + std::to_string(++num_names_) + ">"}) + make(depth - 1) +
                  ")"
            : one_of({"a", "b", "c", "é", ".", "\\d", "\\w", "\\s", "\\S", "\\D", "[ab]", "[^a]",
                      "[^\\d]", "[\\w-]", "[a-c1]", "\\-", "[é-ü]", "\\x61", "\\n"});
    if (pick(3) == 0) {
      atom += one_of({"*", "+", "?", "{2}", "{1,2}", "{0,3}", "{2,}", "{0}"});
      if (pick(4) == 0) atom += "?";
    }
    return atom;
  }

  std::mt19937 random_;
  int num_names_ = 0;
};

TEST(ParseRegex, AgreesWithPcre2) {
  int num_found = 0, num_compared = 0;
  for (u32 seed = 0; seed < 3000; ++seed) {
    RandomPattern random(seed);
    const std::string pattern = random.make(3);
    Pcre2 pcre2(pattern);
    ASSERT_TRUE(pcre2.compiled()) << pattern;
    Searcher searcher(pattern);
    for (int i = 0; i < 40; ++i) {
      const std::string text = random.text();
      const std::optional<bool> expected = pcre2.finds(text);
      if (!expected) continue;
      ASSERT_EQ(searcher.finds(text), *expected) << pattern << "\nin \"" << text << '"';
      ASSERT_EQ(searcher.finds_in_json(text), *expected) << pattern << "\nin \"" << text << '"';
      num_found += *expected ? 1 : 0;
      ++num_compared;
    }
  }
  EXPECT_GT(num_found, 30'000);
  EXPECT_GT(num_compared - num_found, 10'000);
}

TEST(ParseRegex, AgreesWithV8) {
  const io::JsonValue golden =
      value_or_throw(io::read_json(testing::golden_directory("regex") / "ecma.json"));
  int num_compared = 0;
  for (const io::JsonValue& item : golden.as_array()) {
    const std::string& pattern = item.find("pattern")->as_string();
    Searcher searcher(pattern);
    for (const bool expected : {true, false}) {
      for (const io::JsonValue& text : item.find(expected ? "found" : "not_found")->as_array()) {
        ASSERT_EQ(searcher.finds(text.as_string()), expected)
            << pattern << "\nin \"" << text.as_string() << '"';
        ASSERT_EQ(searcher.finds_in_json(text.as_string()), expected)
            << pattern << "\nin \"" << text.as_string() << '"';
        ++num_compared;
      }
    }
  }
  EXPECT_GT(num_compared, 5'000);
}

}  // namespace
}  // namespace fathom::grammar
