// The official JSON-Schema-Test-Suite (Debian: json-schema-test-suite): what a schema is compiled
// to must match the valid instances, with their properties in some order, and no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "grammar/schema/compile_schema.h"
#include "grammar/schema/test_texts.h"

namespace fathom::grammar {
namespace {

using io::JsonValue;
using testing::Walker;

const std::filesystem::path kSuite = "/usr/share/json-schema-test-suite/tests";

class Suite {
 public:
  explicit Suite(std::string draft) : draft_(std::move(draft)) {}

  void run() {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(kSuite / draft_)) {
      if (entry.path().extension() == ".json") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
      const JsonValue groups = io::read_json(file).value();
      for (const JsonValue& group : groups.as_array()) {
        run_group(file.filename().string(), group);
      }
    }
  }
  const std::set<std::string>& not_handled() const { return not_handled_; }
  i64 num_tests() const { return num_tests_; }

 private:
  void run_group(const std::string& file, const JsonValue& group) {
    const std::string name = draft_ + "/" + file + ": " + group.find("description")->as_string();
    SCOPED_TRACE(name);
    JsonValue schema = *group.find("schema");
    if (schema.is_object() && schema.find("$schema") == nullptr) {
      schema.as_object().set("$schema",
                             "http://json-schema.org/draft-0" + draft_.substr(5) + "/schema#");
    }
    RuleArena rules;
    const auto compiled = compile_schema(rules, schema);
    bool satisfiable = true;
    if (!compiled) {
      satisfiable = compiled.error().message().find("no value satisfies") == std::string::npos;
      if (satisfiable) {
        not_handled_.insert(name + " | " + compiled.error().message());
        return;
      }
    } else {
      for (const SchemaFinding& finding : compiled->findings) {
        if (finding.kind != SchemaFinding::Kind::kWeakened) continue;
        not_handled_.insert(name + " | " + finding.pointer + ": " + finding.message);
        return;
      }
      ASSERT_TRUE(rules.finish());
    }
    const Expr root = compiled ? compiled->root : rules.nothing();
    if (!compiled) {
      ASSERT_TRUE(rules.finish());
    }
    Walker walker(rules, root);
    for (const JsonValue& test : group.find("tests")->as_array()) {
      ++num_tests_;
      const bool valid = test.find("valid")->as_bool();
      for (const bool spaced : {false, true}) {
        EXPECT_EQ(testing::accepts_in_some_order(walker, *test.find("data"), spaced), valid)
            << test.find("description")->as_string() << ": " << io::write_json(*test.find("data"))
            << "\nunder " << io::write_json(schema);
      }
    }
  }

  const std::string draft_;
  std::set<std::string> not_handled_;
  i64 num_tests_ = 0;
};

class SuiteTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SuiteTest, EveryInstanceIsJudgedAsTheSuiteDoes) {
  if (!std::filesystem::exists(kSuite)) GTEST_SKIP() << "json-schema-test-suite is not installed";
  Suite suite(GetParam());
  suite.run();
  EXPECT_GT(suite.num_tests(), 250);
  std::set<std::string> known;
  std::ifstream file(std::string(FATHOM_SOURCE_DIR) +
                     "/tests/golden/grammar/suite_not_handled.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(GetParam())) known.insert(line);
  }
  EXPECT_EQ(suite.not_handled(), known);
}

INSTANTIATE_TEST_SUITE_P(Drafts, SuiteTest, ::testing::Values("draft4", "draft6", "draft7"));

}  // namespace
}  // namespace fathom::grammar
