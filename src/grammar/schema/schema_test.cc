// What a schema's grammar lets through beyond what the official suite looks at.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grammar/schema/compile_schema.h"
#include "grammar/test_accepts.h"

namespace fathom::grammar {
namespace {

using ::testing::HasSubstr;
using Kind = SchemaFinding::Kind;

io::JsonValue json(const std::string& text) { return io::parse_json(text, "test").value(); }

/// A schema's grammar.
class Grammar {
 public:
  explicit Grammar(const std::string& schema, const SchemaOptions& options = {}) {
    auto compiled = compile_schema(rules_, json(schema), options);
    EXPECT_TRUE(compiled) << compiled.error().message();
    findings_ = compiled->findings;
    EXPECT_TRUE(rules_.finish());
    walker_.emplace(rules_, compiled->root);
  }
  bool accepts(std::string_view text) { return walker_->accepts(text); }
  const SchemaFinding* finding(std::string_view pointer) const {
    for (const SchemaFinding& finding : findings_) {
      if (finding.pointer == pointer) return &finding;
    }
    return nullptr;
  }

 private:
  RuleArena rules_;
  std::vector<SchemaFinding> findings_;
  std::optional<testing::Walker> walker_;
};

std::string error_of(const std::string& schema, const SchemaOptions& options = {}) {
  RuleArena rules;
  const auto compiled = compile_schema(rules, json(schema), options);
  return compiled ? "" : compiled.error().message();
}

TEST(SchemaTest, PropertiesComeInTheSchemasOrderThenOthers) {
  Grammar grammar(R"({"properties": {"b": {"type": "integer"}, "a": {}}, "required": ["b", "z"]})");
  EXPECT_TRUE(grammar.accepts(R"({"b":1,"a":null,"z":0})"));
  EXPECT_TRUE(grammar.accepts(R"({"b":1,"z":0,"x":[{}]})"));
  EXPECT_FALSE(grammar.accepts(R"({"a":null,"b":1,"z":0})"));
  EXPECT_FALSE(grammar.accepts(R"({"b":1,"x":0,"z":0})"));
  EXPECT_FALSE(grammar.accepts(R"({"b":1,"z":0,"b":1})")) << "a named key stands once";
  EXPECT_FALSE(grammar.accepts(R"({"b":1,"z":0,"\u0062":"x"})")) << "whatever its spelling";
}

TEST(SchemaTest, WhiteSpaceIsBoundedAndNeverOutside) {
  Grammar grammar(R"({"type": "array", "items": {"type": "boolean"}})");
  const std::string most(64, ' ');
  EXPECT_TRUE(grammar.accepts("[" + most + "true" + most + "," + most + "false" + most + "]"));
  EXPECT_TRUE(grammar.accepts("[" + most + "]"));
  EXPECT_FALSE(grammar.accepts("[ " + most + "]"));
  EXPECT_FALSE(grammar.accepts("[true" + most + "\n,true]"));
  EXPECT_FALSE(grammar.accepts(" []"));
  EXPECT_FALSE(grammar.accepts("[] "));
}

TEST(SchemaTest, ListedStringsHaveTheShortestSpellingFreeOnesAny) {
  Grammar listed(R"({"enum": ["a\u0001\n\u00e9"]})");
  EXPECT_TRUE(listed.accepts("\"a\\u0001\\n\u00e9\""));
  EXPECT_FALSE(listed.accepts("\"\\u0061\\u0001\\n\u00e9\""));
  Grammar free(R"({"type": "string", "maxLength": 2})");
  EXPECT_TRUE(free.accepts(R"("\ud83d\ude00\u0061")")) << "two code points";
  EXPECT_FALSE(free.accepts(R"("abc")"));
  Grammar rest(R"({"type": "string", "not": {"const": "a"}})");
  EXPECT_TRUE(rest.accepts(R"("\u0062")"));
  EXPECT_FALSE(rest.accepts(R"("a")"));
  EXPECT_FALSE(rest.accepts(R"("\u0061")"));
}

TEST(SchemaTest, StrictClosesObjectsThatSayNothingOfOtherProperties) {
  const std::string schema = R"({"properties": {"a": {}, "b": {"additionalProperties": true,
                                 "type": "object"}}, "type": "object"})";
  EXPECT_TRUE(Grammar(schema).accepts(R"({"a":1,"x":1})"));
  Grammar strict(schema, {.strict = true});
  EXPECT_TRUE(strict.accepts(R"({"a":1})"));
  EXPECT_FALSE(strict.accepts(R"({"a":1,"x":1})"));
  EXPECT_TRUE(strict.accepts(R"({"b":{"x":1}})"));
}

TEST(SchemaTest, RecursionThroughReferencesAndAllOf) {
  Grammar grammar(R"({"$ref": "#/$defs/node", "$defs": {
      "base": {"properties": {"value": {"type": "integer"}}, "required": ["value"]},
      "node": {"allOf": [{"$ref": "#/$defs/base"},
                         {"properties": {"next": {"$ref": "#/$defs/node"}}}],
               "type": "object"}}})");
  EXPECT_TRUE(grammar.accepts(R"({"value":1,"next":{"value":2,"next":{"value":3}}})"));
  EXPECT_FALSE(grammar.accepts(R"({"value":1,"next":{"value":2,"next":{"value":"3"}}})"));
  EXPECT_FALSE(grammar.accepts(R"({"value":1,"next":{"next":{"value":3}}})"));
}

TEST(SchemaTest, OneOfExcludesWhatTwoAlternativesAllow) {
  Grammar grammar(R"({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})");
  EXPECT_TRUE(grammar.accepts(R"({"a":1})"));
  EXPECT_TRUE(grammar.accepts(R"({"b":1})"));
  EXPECT_FALSE(grammar.accepts(R"({"a":1,"b":1})"));
  EXPECT_FALSE(grammar.accepts(R"({"b":1,"a":1})"));
  EXPECT_FALSE(grammar.accepts(R"({})"));
}

TEST(SchemaTest, CountsThroughOptionalProperties) {
  Grammar grammar(R"({"properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2,
                      "maxProperties": 3, "additionalProperties": {"type": "null"}})");
  EXPECT_FALSE(grammar.accepts(R"({"b":1})"));
  EXPECT_TRUE(grammar.accepts(R"({"b":1,"x":null})"));
  EXPECT_TRUE(grammar.accepts(R"({"a":1,"c":1,"x":null})"));
  EXPECT_FALSE(grammar.accepts(R"({"a":1,"b":1,"c":1,"x":null})"));
  EXPECT_TRUE(grammar.accepts(R"({"x":null,"y":null})"));
}

TEST(SchemaTest, KeysThatTwoPatternsAreFoundInObeyBoth) {
  Grammar grammar(R"({"patternProperties": {"^a": {"type": "integer"}, "z$": {"maximum": 5}},
                      "additionalProperties": {"type": "null"}})");
  EXPECT_TRUE(grammar.accepts(R"({"ab":7,"bz":"x","az":5,"q":null})"));
  EXPECT_FALSE(grammar.accepts(R"({"az":6})"));
  EXPECT_FALSE(grammar.accepts(R"({"az":"x"})"));
  EXPECT_FALSE(grammar.accepts(R"({"q":1})"));
}

// Which keys may come takes an intersection of several expressions, two of which hold together for
// the empty text: the search that finds out must not note it as matching nothing.
TEST(SchemaTest, KeysOfPatternsInTwoSchemasStandBesideEachOther) {
  Grammar grammar(R"({"type": "object", "allOf": [
      {"type": "object", "patternProperties": {"a": {"type": "number", "minimum": 10}}},
      {"type": "object", "patternProperties": {"b": {"type": "number", "minimum": 3}}}], "minProperties": 1})");
  EXPECT_TRUE(grammar.accepts(R"({"a": 15, "b": 5})"));
  EXPECT_TRUE(grammar.accepts(R"({"b": 5, "c": null, "ab": 10})"));
  EXPECT_FALSE(grammar.accepts(R"({"a": 15, "b": 2})"));
  EXPECT_FALSE(grammar.accepts(R"({"a": 9, "b": 5})"));
}

TEST(SchemaTest, NegationsOfMembersAndItems) {
  Grammar closed(R"({"type": "object", "not": {"properties": {"a": {"type": "integer"}},
                                              "additionalProperties": false}})");
  EXPECT_FALSE(closed.accepts(R"({"a":1})"));
  EXPECT_FALSE(closed.accepts(R"({})"));
  EXPECT_TRUE(closed.accepts(R"({"a":"x"})"));
  EXPECT_TRUE(closed.accepts(R"({"a":1,"b":1})"));
  Grammar items(R"({"type": "array", "not": {"items": {"type": "integer"}}, "maxItems": 3})");
  EXPECT_FALSE(items.accepts("[1,2]"));
  EXPECT_TRUE(items.accepts("[1,2,null]"));
  EXPECT_FALSE(items.accepts("[1,2,3,null]"));
  EXPECT_FALSE(items.accepts("[]"));
}

TEST(SchemaTest, NegationsOfSizes) {
  Grammar few(R"({"type": "object", "not": {"minProperties": 2}})");
  EXPECT_TRUE(few.accepts(R"({"a":1})"));
  EXPECT_FALSE(few.accepts(R"({"a":1,"b":1})"));
  Grammar many(R"({"type": "object", "not": {"maxProperties": 1}})");
  EXPECT_FALSE(many.accepts(R"({"a":1})"));
  EXPECT_TRUE(many.accepts(R"({"a":1,"b":1})"));
  Grammar short_lists(R"({"type": "array", "not": {"minItems": 2}})");
  EXPECT_TRUE(short_lists.accepts("[1]"));
  EXPECT_FALSE(short_lists.accepts("[1,1]"));
  Grammar long_lists(R"({"type": "array", "not": {"maxItems": 1}})");
  EXPECT_FALSE(long_lists.accepts("[1]"));
  EXPECT_TRUE(long_lists.accepts("[1,1]"));
}

TEST(SchemaTest, WhatIsNotSupportedIsNeverExcludedByMistake) {
  // A schema that lets too much through, below `not`, would forbid too much.
  const std::pair<const char*, const char*> kCases[] = {
      {R"({"not": {"$ref": "http://example.com/x"}})", R"([{"a":"ab"}])"},
      {R"({"not": {"type": "string", "pattern": "(a)\\1"}})", R"("ab")"},
      {R"({"not": {"properties": {"a": {"pattern": "(a)\\1"}}}})", R"({"a":"ab"})"},
      {R"({"not": {"type": "array", "uniqueItems": true}})", R"([1,1])"}};
  for (const auto& [schema, valid] : kCases) {
    Grammar grammar(schema);
    EXPECT_EQ(grammar.finding("/not")->kind, Kind::kWeakened) << schema;
    EXPECT_TRUE(grammar.accepts(valid)) << schema;
  }
}

TEST(SchemaTest, FindingsSayWhatBecomesOfEachKeyword) {
  Grammar grammar(R"({"title": "T", "properties": {"a": {"type": "array", "uniqueItems": true},
                      "b/c": {"format": "int32"}}})");
  EXPECT_EQ(grammar.finding("/title")->kind, Kind::kAnnotation);
  EXPECT_EQ(grammar.finding("/properties")->kind, Kind::kEnforced);
  EXPECT_EQ(grammar.finding("/properties/a/uniqueItems")->kind, Kind::kWeakened);
  EXPECT_EQ(grammar.finding("/properties/b~1c/format")->kind, Kind::kAnnotation);
}

TEST(SchemaTest, WhatCannotBeEnforcedIsAnErrorIfAskedFor) {
  const std::string schema = R"({"properties": {"a": {"type": "array", "uniqueItems": true}}})";
  for (const SchemaOptions& options : {SchemaOptions{.strict = true}, {.fail_closed = true}}) {
    EXPECT_THAT(error_of(schema, options), HasSubstr("/properties/a/uniqueItems: uniqueItems"));
  }
  EXPECT_THAT(error_of(R"({"format": "int32"})", {.strict = true}), HasSubstr("/format"));
  EXPECT_EQ(error_of(R"({"format": "int32"})", {.fail_closed = true}), "");
  EXPECT_THAT(error_of(R"({"$ref": "http://example.com/x"})", {.strict = true}),
              HasSubstr("/$ref: $ref cannot be enforced"));
}

TEST(SchemaTest, ErrorsNameThePlace) {
  EXPECT_THAT(error_of(R"({"properties": {"a": {"type": "strng"}}})"),
              HasSubstr("/properties/a/type: expected"));
  EXPECT_THAT(error_of(R"({"items": {"$ref": "#/definitions/x"}})"),
              HasSubstr("/items/$ref: \"#/definitions/x\" refers to nothing"));
  EXPECT_THAT(error_of(R"({"pattern": "("})"), HasSubstr("/pattern"));
  EXPECT_THAT(error_of(R"({"minItems": 10001})"), HasSubstr("10001"));
  EXPECT_THAT(error_of(R"({"minLength": -1})"), HasSubstr("/minLength: expected an integer"));
  EXPECT_THAT(error_of("5"), HasSubstr("expected a schema"));
  EXPECT_THAT(error_of(R"({"type": "string", "enum": [1]})"), HasSubstr("no value satisfies"));
}

TEST(SchemaTest, AnUnsatisfiableSchemaIsBlamedWhereItLies) {
  EXPECT_THAT(error_of(R"({"properties": {"a": {"items": {"minimum": 2, "maximum": 1,
                           "type": "number"}, "minItems": 1, "type": "array"}}, "required": ["a"],
                           "type": "object"})"),
              HasSubstr("schema: /properties/a/items: no value satisfies"));
  EXPECT_EQ(error_of(R"({"properties": {"a": {"type": "number", "minimum": 2, "maximum": 1}}})"),
            "")
      << "it may be left out";
}

TEST(SchemaTest, LongChainsAreRefusedNotFollowed) {
  for (const std::string step :
       {R"("allOf": [{"$ref": "#/$defs/)", R"("anyOf": [{"$ref": "#/$defs/)",
        R"("not": {"allOf": [{"$ref": "#/$defs/)", R"("properties": {"x": {"$ref": "#/$defs/)"}) {
    std::string schema = R"({"$ref": "#/$defs/0", "$defs": {)";
    for (int i = 0; i < 6'000; ++i) {
      schema += '"' + std::to_string(i) + "\": {" + step + std::to_string(i + 1) + "\"}";
      schema += step.starts_with("\"not") ? "]}}," : step.starts_with("\"prop") ? "}}," : "]},";
    }
    EXPECT_THAT(error_of(schema + R"("6000": {}}})"), HasSubstr("refer to each other")) << step;
  }
}

TEST(SchemaTest, HostileSchemasEndWithinTheBudget) {
  std::string nested = R"({"type": "object"})";
  for (int i = 0; i < 12; ++i) {
    const std::string next = nested;
    nested = R"({"oneOf": [)" + next + R"(, {"required": ["p)" + std::to_string(i) + R"("]}]})";
  }
  const auto start = std::chrono::steady_clock::now();
  RuleArena rules;
  try {
    (void)compile_schema(rules, json(nested));
  } catch (const BudgetError&) {
  }
  std::string product = "{\"allOf\":[";
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    product += R"({"anyOf":[{"required":["a)" + n + R"("]},{"required":["b)" + n + R"("]}]},)";
  }
  product.back() = ']';
  RuleArena other;
  EXPECT_THROW((void)compile_schema(other, json(product + "}")), BudgetError);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 5.0);
}

}  // namespace
}  // namespace fathom::grammar
