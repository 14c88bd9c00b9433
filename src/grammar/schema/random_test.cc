// Random schemas that combine the keywords, and what the Python package jsonschema says of random
// values under them (tools/golden/make_schema_golden.py). FATHOM_SCHEMA_GOLDEN: another file of
// them.
#include <gtest/gtest.h>

#include <cstdlib>

#include "grammar/schema/compile_schema.h"
#include "grammar/schema/test_texts.h"

namespace fathom::grammar {
namespace {

using io::JsonValue;
using testing::Walker;

bool is_weakened(const CompiledSchema& compiled) {
  return std::any_of(
      compiled.findings.begin(), compiled.findings.end(),
      [](const SchemaFinding& finding) { return finding.kind == SchemaFinding::Kind::kWeakened; });
}

TEST(RandomSchemaTest, AcceptsJustWhatJsonschemaCallsValid) {
  const char* given = std::getenv("FATHOM_SCHEMA_GOLDEN");
  const std::string path =
      given != nullptr ? given
                       : std::string(FATHOM_SOURCE_DIR) + "/tests/golden/grammar/schemas.json";
  const JsonValue cases = io::read_json(path).value();
  i64 num_exact = 0, num_refused = 0;
  for (const JsonValue& test : cases.as_array()) {
    const JsonValue& schema = *test.find("schema");
    RuleArena rules;
    try {
      const auto compiled = compile_schema(rules, schema);
      ASSERT_TRUE(compiled) << compiled.error().message() << "\n" << io::write_json(schema);
      ASSERT_TRUE(rules.finish());
      // A weakened grammar lets more through, never less.
      const bool exact = !is_weakened(*compiled);
      num_exact += exact ? 1 : 0;
      Walker walker(rules, compiled->root);
      for (const JsonValue& value : test.find("valid")->as_array()) {
        EXPECT_TRUE(testing::accepts_in_some_order(walker, value, false))
            << io::write_json(value) << "\n"
            << io::write_json(schema);
      }
      for (const JsonValue& value : test.find("invalid")->as_array()) {
        if (!exact) continue;
        EXPECT_FALSE(testing::accepts_in_some_order(walker, value, false))
            << io::write_json(value) << "\n"
            << io::write_json(schema);
      }
    } catch (const BudgetError& error) {
      ++num_refused;
    }
  }
  const i64 total = std::ssize(cases.as_array());
  RecordProperty("exact", std::to_string(num_exact));
  EXPECT_GT(num_exact, total * 8 / 10) << num_refused << " refused of " << total;
}

}  // namespace
}  // namespace fathom::grammar
