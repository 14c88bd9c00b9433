#include "grammar/schema/formats/format.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "grammar/regex/parse_regex.h"
#include "io/json.h"

namespace fathom::grammar {
namespace {

class Formats : public ::testing::Test {
 protected:
  bool fits(const std::string& name, std::string_view text) {
    const auto known = regexes_.find(name);
    const Regex regex =
        known != regexes_.end() ? known->second : format_regex(arena_, name, Spelling::kUtf8);
    regexes_[name] = regex;
    return arena_.matches(regex, text);
  }
  void expect(const std::string& name, const std::vector<std::string>& good,
              const std::vector<std::string>& bad) {
    for (const std::string& text : good) EXPECT_TRUE(fits(name, text)) << name << ": " << text;
    for (const std::string& text : bad) EXPECT_FALSE(fits(name, text)) << name << ": " << text;
  }

  RegexArena arena_;
  std::map<std::string, Regex> regexes_;
};

TEST_F(Formats, DatesAreThoseOfTheCalendar) {
  for (int year = 0; year < 10'000; ++year) {
    if ((year < 1890 || year > 2110) && year % 100 != 0 && year % 97 != 0) continue;
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    const std::array<int, 13> days{0, 31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (int month = 0; month < 14; ++month) {
      for (int day = 0; day < 33; ++day) {
        const bool expected =
            month >= 1 && month <= 12 && day >= 1 && day <= days[static_cast<size_t>(month)];
        const std::string text = fmt::format("{:04}-{:02}-{:02}", year, month, day);
        ASSERT_EQ(fits("date", text), expected) << text;
      }
    }
  }
  expect("date", {"2000-02-29"},
         {"1900-02-29", "2024-2-29", "24-02-29", "2024-02-29Z", "2024/02/29", ""});
}

TEST_F(Formats, Times) {
  expect("time",
         {"00:00:00Z", "23:59:59.123456+23:59", "08:30:06.283185z", "23:59:60Z", "23:59:60.5+00:00",
          "00:59:60+01:00", "15:59:60-08:00", "22:59:60-01:00"},
         {"24:00:00Z", "12:60:00Z", "12:00:61Z", "12:00:00", "12:00Z", "12:00:00.Z",
          "12:00:00+24:00", "12:00:00+1:00", "12:00:00+0100", "12:00:60Z", "23:59:60+01:00",
          "23:58:60Z", "12:00:00 Z", "01:01:01,1Z"});
  expect("date-time",
         {"1963-06-19T08:30:06.283185Z", "1990-12-31t23:59:60z", "2024-02-29T00:00:00-00:00"},
         {"1963-06-19 08:30:06Z", "1963-06-19T08:30:06", "2023-02-29T00:00:00Z", "1963-06-19",
          "1963-06-19TZ"});
  expect("duration",
         {"P4DT12H30M5S", "P1Y2M3DT4H5M6S", "PT0S", "P4W", "P1M", "PT1M", "PT36H", "P1Y", "P1DT1S"},
         {"P", "PT", "P1", "1D", "P1D2H", "P2S", "P1YT", "P1Y1W", "P1Y1D", "PT1H1S", "P1.5D",
          "PT0.5S", "p1d", "-P1D"});
}

TEST_F(Formats, AddressesAreThoseOfTheCLibrary) {
  std::mt19937 random(5);
  const auto pick = [&](std::initializer_list<const char*> all) {
    return std::string(all.begin()[random() % all.size()]);
  };
  int num_good = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    const u64 groups = i % 2 == 0 ? 2 + random() % 8 : 6 + random() % 3;
    for (u64 group = 0; group < groups; ++group) {
      text += pick({"0", "1", "aB", "fFf", "12cd", "00", "1", "abcd", "",
                    random() % 4 == 0 ? "12345" : "7", random() % 30 == 0 ? "g" : "2"});
      if (group + 1 < groups) text += pick({":", ":", ":", ":", "::"});
    }
    if (random() % 5 == 0)
      text += pick({":1.2.3.4", ":255.255.255.255", ":256.1.1.1", "1.2.3", "%eth0", ":01.2.3.4"});
    std::array<u8, 16> address{};
    const bool expected = inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
    ASSERT_EQ(fits("ipv6", text), expected) << text;
    num_good += expected ? 1 : 0;
  }
  EXPECT_GT(num_good, 1000);
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (u64 group = 3 + (random() % 8 > 0) + (random() % 8 == 0); group-- > 0;) {
      text += std::to_string(random() % (random() % 2 == 0 ? 300 : 12));
      if (random() % 16 == 0) text += pick({"0", "a", ""});
      if (group > 0) text += '.';
    }
    std::array<u8, 4> address{};
    ASSERT_EQ(fits("ipv4", text), inet_pton(AF_INET, text.c_str(), address.data()) == 1) << text;
  }
  expect("ipv6", {"::", "::1", "1::", "1:2:3:4:5:6:7::", "::ffff:192.0.2.1"},
         {"", ":", ":::", "1:2:3:4:5:6:7", "1::2::3", "::1.2.3.4:5", "[::1]", "::1%eth0"});
}

TEST_F(Formats, HostsAndMailboxes) {
  const std::string label63(63, 'a');
  const std::string name253 = label63 + "." + label63 + "." + label63 + "." + std::string(61, 'b');
  expect("hostname",
         {"a", "localhost", "www.example.com", "xn--4gbwdl.xn--wgbh1c", "1.2", label63, name253},
         {"", "-a", "a-", "a..b", ".a", "a.", "a_b", label63 + "a", name253 + "b", "é.de", "a b"});
  expect("email",
         {"joe.bloggs@example.com", "a+b=c@d", "\"joe bloggs\"@example.com",
          "\"a\\\"b\"@example.com", "\"a@b\"@c", "te~st@[127.0.0.1]", "x@[IPv6:::1]"},
         {"2962", "@x", "a@", ".a@b", "a.@b", "a..b@c", "a b@c", "a@b@c", "a@-b", "a@[127.0.0.300]",
          "a@[::1]", "a@b_c"});
}

TEST_F(Formats, UuidsAndPointers) {
  expect("uuid", {"2EB8AA08-aa98-11ea-b4aa-73b441d16380", "00000000-0000-0000-0000-000000000000"},
         {"2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08aa9811eab4aa73b441d16380",
          "2eb8-aa08-aa98-11ea-b4aa73b44-1d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638g",
          "{2eb8aa08-aa98-11ea-b4aa-73b441d16380}"});
  expect("json-pointer", {"", "/", "/a~0b~1c", "/é//0"}, {"a", "/~", "/~2", "#/a"});
  expect("relative-json-pointer", {"0", "1/a", "12#"}, {"", "/a", "01", "1a", "0##"});
}

TEST_F(Formats, Uris) {
  expect(
      "uri",
      {"http://a", "a:", "urn:isbn:0", "http://u:p@[::1]:80/a/b?c=/?#d/?", "http://[v1.a:b]/",
       "file:///etc", "a:/b//c", "http://a:/", "x+y-z.1:a%20b", "http://h?q", "http://h#f", "a://"},
      {"", "a", ":a", "1a:b", "http://a b", "http://[::1", "http://[::g]", "http://a:b", "a:%2",
       "a:b#c#d", "a:[", "http://é", "a:\\b", "a:{b}", "a:\"", "//a/b"});
  expect("uri-reference", {"", "a", "/", "//a/b", "?q", "#f", "a/b:c", "./a:b", "../x", "http://a"},
         {"1:b", "\\a", "#a\\b", "a b", "#a#b", "é"});
  expect("iri", {"http://é/ü?\uE000#漢", "http://\U00010000"},
         {"http://é\uE000", "é", "http://\uFFFE", "http://\U0001FFFE"});
  expect("iri-reference", {"é", "#漢"}, {"\\é", "é é"});
}

TEST_F(Formats, UriTemplates) {
  expect("uri-template",
         {"", "http://example.com/dictionary/{term:1}/{term}", "{+path,x*}", "{?a.b,c%20:9999}",
          "x%41é"},
         {"{", "a}", "{}", "{a:0}", "{a:12345}", "{a,}", "{.}", "{a..b}", "{^a}", "a b", "%4",
          "<a>", "{term:1}/{term"});
}

// Whatever is let through can be compiled.
TEST_F(Formats, PatternsThatAreNoneAreLeftOut) {
  expect(
      "regex",
      {"", "([abc])+\\s+$", "^(?:a|b){2,3}?[^\\]a-z_-]*\\.x$|\\bé", "(?=a)(?!b).", "[\\w-]", "[-a]",
       "a{10,12}", "(((())))", "\\u00e9\\x41", "[^-]", "/\\//", "a{0,999}"},
      {"^(abc]",    "(",       ")",    "a**", "*",     "a{3,2}", "a{12,11}", "[z-a]", "[a", "\\",
       "a{100,12}", "(?<n>a)", "(?a)", "\\k", "\\u12", "[]",     "^*",       "\\b+",  "|*", "(?:"});
  std::mt19937 random(6);
  const std::string_view kBytes = "()[]{}|?*+^$\\.-,:=!<abdswxu019Z]\"/";
  int num_fitting = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string text;
    for (u64 length = 1 + random() % 9; length-- > 0;) text += kBytes[random() % kBytes.size()];
    if (!fits("regex", text)) continue;
    RegexArena arena;
    const Result<Regex> parsed = parse_regex(arena, text, Spelling::kUtf8);
    // Look-around and such are no mistakes.
    ASSERT_TRUE(parsed || parsed.error().code() == ErrorCode::kUnsupported)
        << text << ": " << parsed.error().message();
    ++num_fitting;
  }
  EXPECT_GT(num_fitting, 5'000);
}

TEST_F(Formats, InJsonStringsToo) {
  const Regex email = format_regex(arena_, "email", Spelling::kJson);
  EXPECT_TRUE(arena_.matches(email, R"(\"a\\\"b\"@\u0065xample.com)"));
  EXPECT_FALSE(arena_.matches(email, R"("a"@example.com)"));
  for (const char* name : {"int32", "idn-email", "", "Date"})
    EXPECT_FALSE(is_enforced_format(name));
  EXPECT_TRUE(is_enforced_format("date"));
}

// Debian's json-schema-test-suite, where it is installed.
TEST_F(Formats, AgreeWithTheTestSuite) {
  const std::filesystem::path folder =
      "/usr/share/json-schema-test-suite/tests/draft7/optional/format";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no json-schema-test-suite";
  int num_tests = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string name = file.path().stem();
    if (!is_enforced_format(name)) continue;
    const io::JsonValue groups = value_or_throw(io::read_json(file.path()));
    for (const io::JsonValue& group : groups.as_array()) {
      for (const io::JsonValue& test : group.find("tests")->as_array()) {
        const io::JsonValue& data = *test.find("data");
        if (!data.is_string()) continue;
        EXPECT_EQ(fits(name, data.as_string()), test.find("valid")->as_bool())
            << name << ": " << data.as_string();
        ++num_tests;
      }
    }
  }
  EXPECT_GT(num_tests, 80);
}

}  // namespace
}  // namespace fathom::grammar
