// Files of others: what is read, and what is said of those that are wrong.
#include <gmock/gmock.h>

#include <fstream>

#include "eval/task/items.h"
#include "eval/task/task_file.h"

namespace fathom::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DocumentsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("documents_" +
               std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
  }
  std::string error_of(const SourceSpec& source) const {
    const auto read = read_documents(folder_, source.test, source);
    return read ? "no error" : read.error().message();
  }

  std::filesystem::path folder_;
};

TEST_F(DocumentsTest, ReadsEveryForm) {
  write("a.jsonl", "{\"q\": \"1\"}\n\n{\"q\": \"2\"}");
  write("b.json", R"({"examples": [{"q": "3"}], "canary": "x"})");
  write("c.csv", "\"q\"\n\"4, with \"\"quotes\"\"\nand a line\"\n");
  write("d.tsv", "5\tleft\n");
  SourceSpec source{.test = {"a.jsonl"}, .fields = {"twice: {{q}}{{q}}", "name: {{@file}}"}};
  auto documents = value_or_throw(read_documents(folder_, source.test, source));
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[1].visible.find("twice")->as_string(), "22");
  EXPECT_EQ(documents[1].visible.find("name")->as_string(), "a");
  EXPECT_EQ(documents[1].stored.find("twice"), nullptr) << "it is no part of the document";
  EXPECT_THAT(documents[1].place, HasSubstr("a.jsonl:3"));

  source = {.test = {"b.json"}, .rows = "{{examples}}", .where = "{{q|equals('3')}}"};
  EXPECT_EQ(value_or_throw(read_documents(folder_, source.test, source)).size(), 1u);
  source = {.test = {"c.csv"}};
  documents = value_or_throw(read_documents(folder_, source.test, source));
  EXPECT_EQ(documents[0].stored.find("q")->as_string(), "4, with \"quotes\"\nand a line");
  source = {.test = {"d.tsv"}, .columns = {"n", "side"}};
  documents = value_or_throw(read_documents(folder_, source.test, source));
  EXPECT_EQ(documents[0].stored.find("side")->as_string(), "left");
}

TEST_F(DocumentsTest, AListInAnItemIsItemsOfTheirOwn) {
  write("a.jsonl", R"({"passage": "p", "qas": [{"q": "1"}, {"q": "2"}]})");
  const SourceSpec source{.test = {"a.jsonl"}, .each = "{{qas}}"};
  const auto documents = value_or_throw(read_documents(folder_, source.test, source));
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[1].stored.find("q")->as_string(), "2");
  EXPECT_EQ(documents[1].stored.find("passage")->as_string(), "p");
}

TEST_F(DocumentsTest, WrongFilesAreNamedWithLineAndField) {
  write("bad.jsonl", "{\"q\": \"1\"}\n{\"q\": \n");
  EXPECT_THAT(error_of({.test = {"bad.jsonl"}}), HasSubstr("bad.jsonl:2"));
  write("list.jsonl", "12\n");
  EXPECT_THAT(error_of({.test = {"list.jsonl"}}), HasSubstr("list.jsonl:1: expected an object"));
  write("field.jsonl", "{\"q\": \"1\"}\n{\"Q\": \"1\"}\n");
  EXPECT_THAT(error_of({.test = {"field.jsonl"}, .fields = {"words: {{q}}"}}),
              HasSubstr("field.jsonl:2: words: q: no such member; there are: Q"));
  write("utf8.jsonl", "{\"q\": \"1\"}\n{\"q\": \"\xFF\"}\n");
  EXPECT_THAT(error_of({.test = {"utf8.jsonl"}}), HasSubstr("utf8.jsonl:2: byte 18 is no UTF-8"));
  write("rows.json", R"({"items": 3})");
  EXPECT_THAT(error_of({.test = {"rows.json"}, .rows = "{{items}}"}),
              HasSubstr("expected an array of items, found the number 3"));
  write("narrow.csv", "a,b\n1\n");
  EXPECT_THAT(error_of({.test = {"narrow.csv"}}),
              HasSubstr("narrow.csv:2: expected 2 columns (a, b), found 1"));
  write("quote.csv", "a\n\"open\n");
  EXPECT_THAT(error_of({.test = {"quote.csv"}}), HasSubstr("quote.csv:2: a quote does not end"));
  write("a.parquet", "PAR1");
  EXPECT_THAT(error_of({.test = {"a.parquet"}}), HasSubstr("a.parquet: is Parquet"));
  EXPECT_THAT(error_of({.test = {"none.jsonl"}}), HasSubstr("none.jsonl: no such file"));
}

constexpr const char* kTask = R"(
output = "multiple_choice"
[source.own]
test = ["test.jsonl"]
shots = ["train.jsonl"]
subtask = "{{kind}}"
[prompt.lm-eval]
description = "Of {{kind}}.\n\n"
text = "Q: {{q}}\nA:"
choices = "{{options}}"
gold = "{{right}}"
shots = 1
metrics = ["acc"]
)";

TEST_F(DocumentsTest, PromptsAreDescriptionShotsAndQuestion) {
  write("test.jsonl", R"({"q": "t1", "options": ["x", "y"], "right": 1, "kind": "a"})"
                      "\n"
                      R"({"q": "t2", "options": ["x", "y", "z"], "right": 0, "kind": "b c"})"
                      "\n");
  write("train.jsonl", R"({"q": "s1", "options": ["x", "y"], "right": 0, "kind": "b c"})"
                       "\n"
                       R"({"q": "s2", "options": ["x", "y"], "right": 1, "kind": "a"})"
                       "\n");
  const TaskSpec spec = value_or_throw(parse_task(kTask, "own.toml", "own"));
  const auto tasks = value_or_throw(build_tasks(spec, {.data = folder_}));
  ASSERT_EQ(tasks.size(), 2u);
  EXPECT_EQ(tasks[0].name, "own_a");
  EXPECT_EQ(tasks[1].name, "own_b_c");
  EXPECT_EQ(tasks[1].group, "own");
  const Item& item = tasks[1].items.at(0);
  const std::string prompt = "Of b c.\n\nQ: s1\nA: x\n\nQ: t2\nA:";
  EXPECT_THAT(item.options, ElementsAre(ContextAndText{prompt, " x"}, ContextAndText{prompt, " y"},
                                        ContextAndText{prompt, " z"}));
  EXPECT_EQ(item.gold, 0);
}

TEST_F(DocumentsTest, EachBehaviourIsWrappedInEachAttack) {
  write("behaviours.jsonl", "{\"behaviour\": \"Say a rude word.\"}\n{\"behaviour\": \"Lie.\"}\n");
  const auto tasks =
      value_or_throw(build_tasks(value_or_throw(load_task("jailbreak")), {.data = folder_}));
  EXPECT_GE(tasks.size(), 8u);
  for (const Task& task : tasks) {
    EXPECT_EQ(task.items.size(), 2u);
    EXPECT_THAT(task.items[0].prompt, HasSubstr("Say a rude word."));
    EXPECT_THAT(task.items[1].prompt, HasSubstr("Lie."));
  }
  EXPECT_EQ(tasks[0].name, "jailbreak_plain");
  EXPECT_EQ(tasks[0].items[0].prompt, "Say a rude word.");
}

TEST_F(DocumentsTest, WrongItemsAreNamed) {
  const TaskSpec spec = value_or_throw(parse_task(kTask, "own.toml", "own"));
  const auto error = [&](std::string_view line, i64 shots) {
    write("test.jsonl", line);
    write("train.jsonl", "");
    const auto tasks = build_tasks(spec, {.data = folder_, .shots = shots});
    return tasks ? "no error" : tasks.error().message();
  };
  const std::string good = R"({"q": "t", "options": ["x", "y"], "right": 1, "kind": "a"})";
  EXPECT_THAT(error(good, 0), "no error");
  EXPECT_THAT(error(good, 1), HasSubstr("task own_a: 1 examples are drawn, but there are 0"));
  EXPECT_THAT(error(R"({"q": "t", "options": ["x", "y"], "right": 2, "kind": "a"})", 0),
              HasSubstr("test.jsonl:1: gold: expected an index below 2 or one of the options"));
  EXPECT_THAT(error(R"({"q": "t", "options": "xy", "right": 0, "kind": "a"})", 0),
              HasSubstr("test.jsonl:1: choices: expected a list of texts"));
  EXPECT_THAT(error("", 0), HasSubstr("has no items"));
  const auto preset = build_tasks(spec, {.data = folder_, .preset = "v4"});
  EXPECT_THAT(preset.error().message(), HasSubstr("task own: no preset \"v4\"; it has: lm-eval"));
  const auto nowhere = build_tasks(spec, {.data = "/no/such"});
  EXPECT_THAT(nowhere.error().message(), HasSubstr("test.jsonl (own) with train.jsonl"));
}

TEST(TaskFile, SaysAllThatIsWrong) {
  const auto error = [](std::string_view text) {
    const auto spec = parse_task(text, "t.toml", "t");
    return spec ? "no error" : spec.error().message();
  };
  EXPECT_THAT(error("output = \"multiple\"\n"), HasSubstr("output"));
  EXPECT_THAT(error("[source.a]\ntset = []\n"), HasSubstr("did you mean `source.a.test`?"));
  const std::string all = error(
      "[source.a]\ntest = [\"x.jsonl\"]\nfields = [\"no colon\"]\n"
      "[prompt.p]\ngold = \"{{a|b}}\"\nmetrics = [\"ac\"]\n");
  EXPECT_THAT(all, HasSubstr("source.a.fields: expected \"name: template\""));
  EXPECT_THAT(all, HasSubstr("prompt.p.gold: expression"));
  EXPECT_THAT(all, HasSubstr("prompt.p.choices: missing"));
  EXPECT_THAT(all, HasSubstr("did you mean acc?"));
  EXPECT_THAT(load_task("arc_esay").error().message(), HasSubstr("did you mean arc_easy?"));
}

TEST(TaskFile, AllBuiltInOnesAreRight) {
  const auto names = built_in_tasks();
  EXPECT_GE(names.size(), 20u);
  for (const std::string_view name : names) {
    const auto spec = load_task(std::string(name));
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_FALSE(spec->title.empty()) << name;
    EXPECT_FALSE(spec->licence.empty()) << name;
    EXPECT_FALSE(spec->origin.empty()) << name;
  }
}

}  // namespace
}  // namespace fathom::eval
