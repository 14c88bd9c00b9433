#include "config/run/run_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/run/data_config.h"
#include "testing/temp_dir.h"

namespace fathom {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

enum class Shape { kFlat, kCosine };
constexpr std::array<std::pair<Shape, std::string_view>, 2> kShapeNames = {
    {{Shape::kFlat, "flat"}, {Shape::kCosine, "cosine"}}};

struct Inner {
  bool on = false;
  std::string name = "x";
  std::vector<std::string> names;
  std::vector<i64> sizes = {1, 2};
  std::vector<double> rates;

  void list_fields(FieldList& list) {
    list.add("on", on, "a switch");
    list.add("name", name, "a name");
    list.add("names", names, "names");
    list.add("sizes", sizes, "sizes");
    list.add("rates", rates, "rates");
  }
  void check(const std::string& prefix, Problems& problems) const {
    if (on && name.empty()) problems.invalid(prefix + "name", "needed when on");
  }
};

struct Root {
  i64 steps = 10;
  double rate = 0.5;
  Shape shape = Shape::kFlat;
  Inner inner;
  std::map<std::string, Inner> parts;

  void list_fields(FieldList& list) {
    list.add("steps", steps, "optimizer steps", {.min = 1, .max = 1e12});
    list.add("rate", rate, "a rate", {.min = 0, .max = 1});
    list.add("shape", shape, kShapeNames, "a shape");
    list.add("inner", inner, "a table");
    list.add("parts", parts, "a part");
  }
};

std::string read(Root& root, std::string_view text, std::vector<std::string> settings = {}) {
  const auto result = parse_run_file(text, "run.toml", settings, field_list(root));
  return result ? "" : result.error().message();
}

TEST(RunFile, ReadsEveryKindOfField) {
  Root root;
  ASSERT_EQ(read(root, R"(
steps = 1_000
rate = 1
shape = "cosine"
[inner]
on = true
name = "a \"b\""
names = "one"
sizes = [3, 4e3]
rates = [1, 0.5]
[parts.left]
name = "l"
[parts.right-2]
)"),
            "");
  EXPECT_EQ(root.steps, 1000);
  EXPECT_EQ(root.rate, 1.0);
  EXPECT_EQ(root.shape, Shape::kCosine);
  EXPECT_TRUE(root.inner.on);
  EXPECT_EQ(root.inner.name, "a \"b\"");
  EXPECT_EQ(root.inner.names, std::vector<std::string>{"one"});
  EXPECT_EQ(root.inner.sizes, (std::vector<i64>{3, 4000}));
  EXPECT_EQ(root.inner.rates, (std::vector<double>{1, 0.5}));
  ASSERT_EQ(root.parts.size(), 2u);
  EXPECT_EQ(root.parts.at("left").name, "l");
  EXPECT_EQ(root.parts.at("right-2").name, "x");
}

TEST(RunFile, ListsAllProblemsWithTheNearestNameAndTheLine) {
  Root root;
  const std::string error = read(root,
                                 "stepz = 1\nrate = 1.5\nshape = \"round\"\n[inner]\non = 3\n"
                                 "[parts]\nleft = 1\n[parts.\"a b\"]\n");
  EXPECT_THAT(error, HasSubstr("run.toml: 6 problems:"));
  EXPECT_THAT(error, HasSubstr("stepz: unknown key; did you mean `steps`? (line 1)"));
  EXPECT_THAT(error, HasSubstr("rate: expected 0 to 1, found 1.5 (line 2)"));
  EXPECT_THAT(error,
              HasSubstr("shape: expected \"flat\" or \"cosine\", found the string \"round\""));
  EXPECT_THAT(error, HasSubstr("inner.on: expected true or false, found 3 (line 5)"));
  EXPECT_THAT(error, HasSubstr("parts.left: expected a table, found 1"));
  EXPECT_THAT(error, HasSubstr("parts.a b: a name may have"));
}

TEST(RunFile, NamesTheKeysOfTheTableWhenNoneIsNear) {
  Root root;
  EXPECT_THAT(read(root, "[inner]\nquux_zebra = 1\n"),
              HasSubstr("inner.quux_zebra: unknown key; known here: on name names sizes rates"));
}

TEST(RunFile, RefusesWrongKinds) {
  const auto error = [](std::string_view text) {
    Root root;
    return read(root, text);
  };
  EXPECT_THAT(error("steps = 1.5"), HasSubstr("expected an integer, found 1.5"));
  EXPECT_THAT(error("steps = 0"), HasSubstr("expected 1 to 1000000000000, found 0"));
  EXPECT_THAT(error("rate = nan"), HasSubstr("expected a number, found nan"));
  EXPECT_THAT(error("rate = \"1\""), HasSubstr("expected a number, found the string \"1\""));
  EXPECT_THAT(error("inner = 1"), HasSubstr("expected a table, found 1"));
  EXPECT_THAT(error("steps = {}"), HasSubstr("expected an integer, found a table"));
  EXPECT_THAT(error("inner.sizes = [1, \"2\"]"), HasSubstr("expected an integer or an array"));
  EXPECT_THAT(error("steps = 1979-05-27"), HasSubstr("found a date or time"));
}

TEST(RunFile, SyntaxErrorsHaveTheirPlace) {
  Root root;
  EXPECT_THAT(read(root, "steps = 1\nrate = = 2\n"), HasSubstr("run.toml:2:8: "));
}

TEST(RunFile, CharactersOutsideAsciiStandInQuotesOrComments) {
  Root root;
  EXPECT_EQ(
      read(root,
           "\xEF\xBB\xBF# \u00fc \"\nsteps = 3 # \u039e\ninner.name = \"\u039e\\\"\u00e9\"\n"),
      "");
  EXPECT_EQ(root.inner.name, "\u039e\"\u00e9");
  EXPECT_EQ(read(root,
                 "inner.name = '\u00e9\\'\n"
                 "inner.names = ['''a'\u00e9''\u00e9''''', \"\"\"\\\n  b\u00e9\"\"\"]"),
            "");
  EXPECT_EQ(root.inner.name, "\u00e9\\");
  EXPECT_EQ(root.inner.names, (std::vector<std::string>{"a'\u00e9''\u00e9''", "b\u00e9"}));
  const auto stray = [&](std::string_view text) { return read(root, text); };
  EXPECT_THAT(stray("steps = 3\na\u039e = 1"),
              HasSubstr("run.toml:2:2: a character outside ASCII"));
  EXPECT_THAT(stray("inner.name = \u00e9"), HasSubstr("run.toml:1:14: a character outside"));
  EXPECT_THAT(stray("inner.name = \"\"\"a\\\n  \u00e9\"\"\""), HasSubstr("run.toml:2:3: a char"));
  EXPECT_THAT(stray("inner.name = \"a\n\u00e9\""), HasSubstr("run.toml:2:1: a char"));
  EXPECT_EQ(read(root, "", {"inner.name=\u00e9 \u039e"}), "");
  EXPECT_EQ(root.inner.name, "\u00e9 \u039e");
}

TEST(RunFile, SettingsWinOverTheFile) {
  Root root;
  ASSERT_EQ(
      read(root, "steps = 5\n",
           {"steps=7", "inner.name=/tmp/a b", "parts.new.on=true", "shape=cosine", "rate=1e-2",
            "inner.names=[\"p\", \"q\"]", "parts.new.names=*.txt", "inner.on=true"}),
      "");
  EXPECT_EQ(root.steps, 7);
  EXPECT_EQ(root.inner.name, "/tmp/a b");
  EXPECT_TRUE(root.parts.at("new").on);
  EXPECT_EQ(root.shape, Shape::kCosine);
  EXPECT_EQ(root.rate, 0.01);
  EXPECT_EQ(root.inner.names, (std::vector<std::string>{"p", "q"}));
  EXPECT_EQ(root.parts.at("new").names, std::vector<std::string>{"*.txt"});
}

TEST(RunFile, TextFieldsTakeBareTextThatLooksLikeAnotherKind) {
  Root root;
  ASSERT_EQ(read(root, "", {"inner.name=42"}), "");
  EXPECT_EQ(root.inner.name, "42");
  ASSERT_EQ(read(root, "", {"inner.name=\"quoted = 1\""}), "");
  EXPECT_EQ(root.inner.name, "quoted = 1");
  ASSERT_EQ(read(root, "", {"inner.name="}), "");
  EXPECT_EQ(root.inner.name, "");
}

TEST(RunFile, WrongSettingsAreNamed) {
  const auto error = [](std::string setting) {
    Root root;
    return read(root, "", {std::move(setting)});
  };
  EXPECT_THAT(error("stepz=1"), HasSubstr("--set stepz=1: unknown key; did you mean `steps`?"));
  EXPECT_THAT(error("inner.nam=1"), HasSubstr("did you mean `inner.name`?"));
  EXPECT_THAT(error("innr.name=1"), HasSubstr("did you mean `inner`?"));
  EXPECT_THAT(error("steps.x=1"), HasSubstr("`steps` is not a table"));
  EXPECT_THAT(error("parts.on=1"), HasSubstr("expected a name after `parts.`"));
  EXPECT_THAT(error("parts=1"), HasSubstr("expected tables under names"));
  EXPECT_THAT(error("steps"), HasSubstr("expected section.key=value"));
  EXPECT_THAT(error("steps=many"), HasSubstr("expected an integer, found the string \"many\""));
  EXPECT_THAT(error("inner.name=\xff"), HasSubstr("inner.name: --set with text that is not UTF-8"));
  EXPECT_THAT(error("steps=1\nrate=2"), HasSubstr("expected an integer"));
}

TEST(RunFile, RulesAcrossFieldsRunAfterReading) {
  Root root;
  EXPECT_THAT(read(root, "[parts.a]\non = true\nname = \"\"\n"),
              HasSubstr("parts.a.name: needed when on"));
}

TEST(RunFile, WhatIsWrittenReadsBackTheSame) {
  Root root;
  root.rate = 0.1 + 0.2;
  root.shape = Shape::kCosine;
  root.inner.name = "tab\t quote\" back\\ line\n \x7f é";
  root.inner.rates = {1e-300, 3};
  root.parts["b"].names = {"", "'"};
  root.parts["a"];
  const std::string text = write_run_file(field_list(root));
  Root again;
  ASSERT_EQ(read(again, text), "") << text;
  EXPECT_TRUE(compare_configs(field_list(root), field_list(again)).empty()) << text;
  EXPECT_EQ(again.rate, root.rate);
  EXPECT_EQ(again.inner.name, root.inner.name);
  EXPECT_EQ(again.parts.size(), 2u);
}

TEST(RunFile, DifferencesNameTheKey) {
  Root before, after;
  before.parts["gone"].on = true;
  after.steps = 11;
  after.parts["come"];
  const auto differences = compare_configs(field_list(before), field_list(after));
  ASSERT_FALSE(differences.empty());
  EXPECT_EQ(differences[0].key, "steps");
  EXPECT_EQ(differences[0].before, "10");
  EXPECT_EQ(differences[0].after, "11");
  const auto find = [&](std::string_view key) {
    return std::ranges::find(differences, key, &ConfigDifference::key);
  };
  ASSERT_NE(find("parts.gone.on"), differences.end());
  EXPECT_EQ(find("parts.gone.on")->after, "");
  ASSERT_NE(find("parts.come.on"), differences.end());
  EXPECT_EQ(find("parts.come.on")->before, "");
  EXPECT_EQ(find("rate"), differences.end());
}

TEST(RunFile, DescribesEveryKeyWithItsDefault) {
  Root root;
  const std::string text = describe_run_file(field_list(root));
  EXPECT_THAT(text, AllOf(HasSubstr("steps = 10"), HasSubstr("optimizer steps"),
                          HasSubstr("inner.sizes = [1, 2]"), HasSubstr("[parts.NAME]"),
                          HasSubstr("parts.NAME.on = false")));
}

TEST(RunFile, MissingAndHugeFilesAreRefused) {
  testing::TempDir dir;
  Root root;
  const auto missing = read_run_file(dir / "no.toml", {}, field_list(root));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  const auto path = dir.write("big.toml", std::string(kMaxRunFileBytes + 1, '#'));
  const auto huge = read_run_file(path, {}, field_list(root));
  ASSERT_FALSE(huge);
  EXPECT_THAT(huge.error().message(), HasSubstr("a run file may have"));
}

struct DataRoot {
  DataConfig data;
  void list_fields(FieldList& list) { list.add("data", data, "text"); }
};

std::string read_data(DataRoot& root, std::string_view text) {
  const auto result = parse_run_file(text, "run.toml", {}, field_list(root));
  return result ? "" : result.error().message();
}

TEST(DataConfig, ReadsSourcesByName) {
  DataRoot root;
  ASSERT_EQ(read_data(root, R"(
[data]
seq_len = 512
fim_rate = 0
[data.train.code]
paths = ["src", "more/**/*.h"]
weight = 2
[data.train.prose]
paths = "books"
weight = 1
format = "text"
separator = "%"
[data.validation.code]
paths = "held_out.jsonl.zst"
text_field = "content"
)"),
            "");
  EXPECT_EQ(root.data.seq_len, 512);
  EXPECT_EQ(root.data.train.at("code").paths.size(), 2u);
  EXPECT_EQ(root.data.train.at("code").weight, 2);
  EXPECT_EQ(root.data.train.at("prose").format, SourceFormat::kText);
  EXPECT_EQ(root.data.validation.at("code").text_field, "content");
}

TEST(DataConfig, ImpossibleCombinationsAreRefused) {
  DataRoot root;
  const std::string error = read_data(root, R"(
[data]
bos_token = ""
eos_token = ""
cache_dir = ""
[data.train.a]
paths = "x"
weight = 1
[data.train.b]
separator = "\n"
[data.validation.c]
paths = ["", "y"]
weight = 1
)");
  EXPECT_THAT(error, HasSubstr("data.train.b.weight: missing: give every training source"));
  EXPECT_THAT(error, HasSubstr("data.train.b.paths: missing"));
  EXPECT_THAT(error, HasSubstr("data.train.b.separator: is the text of one line"));
  EXPECT_THAT(error, HasSubstr("data.validation.c.paths: an empty path"));
  EXPECT_THAT(error, HasSubstr("data.validation.c.weight: a validation set has no weight"));
  EXPECT_THAT(error, HasSubstr("data.eos_token: without a bos_token"));
  EXPECT_THAT(error, HasSubstr("data.cache_dir: must not be empty"));
  DataRoot empty;
  EXPECT_THAT(read_data(empty, "[data]\n"), HasSubstr("data.train: no source"));
  EXPECT_THAT(read_data(empty, "[data]\n"), Not(HasSubstr("problems")));
}

}  // namespace
}  // namespace fathom
