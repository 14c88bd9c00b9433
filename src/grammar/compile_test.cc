#include "grammar/compile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <thread>

#include "grammar/compile_cache.h"

namespace fathom::grammar {
namespace {

using ::testing::HasSubstr;
using Kind = GrammarSpec::Kind;

bool accepts(const CompiledGrammar& compiled, std::string_view text) {
  static const auto vocabulary = std::make_shared<const Vocabulary>(std::vector<std::string>{"a"});
  TokenMasks& masks = *compiled.grammar->masks(vocabulary);
  const auto state = masks.next(masks.start(), text);
  return state != Automaton::kDead && masks.accepting(state);
}

GrammarSpec spec(Kind kind, std::string text) { return {.kind = kind, .text = std::move(text)}; }

std::string error_of(const GrammarSpec& spec) {
  const auto compiled = compile(spec);
  return compiled ? "compiled" : compiled.error().message();
}

TEST(Compile, EveryKind) {
  const auto schema = compile(spec(Kind::kJsonSchema, R"({"type": "integer", "minimum": 3})"));
  ASSERT_TRUE(schema);
  EXPECT_TRUE(accepts(*schema, "3") && !accepts(*schema, "2"));
  EXPECT_FALSE(schema->findings.empty());
  const auto object = compile({.kind = Kind::kJsonObject});
  ASSERT_TRUE(object);
  EXPECT_TRUE(accepts(*object, R"({"a": [1, "b"]})") && !accepts(*object, "[1]"));
  const auto regex = compile(spec(Kind::kRegex, "[0-9]+|none"));
  ASSERT_TRUE(regex);
  EXPECT_TRUE(accepts(*regex, "none") && accepts(*regex, "17") && !accepts(*regex, "x17"));
  const auto choice = compile({.kind = Kind::kChoice, .choices = {"yes", "no", "naïve"}});
  ASSERT_TRUE(choice);
  EXPECT_TRUE(accepts(*choice, "naïve") && !accepts(*choice, "na"));
  const auto ebnf = compile(spec(Kind::kEbnf, R"re(root ::= "(" root? ")")re"));
  ASSERT_TRUE(ebnf);
  EXPECT_TRUE(accepts(*ebnf, "((()))") && !accepts(*ebnf, "(()"));
}

TEST(Compile, ErrorsNameWhatIsWrong) {
  EXPECT_THAT(error_of(spec(Kind::kJsonSchema, "{")), HasSubstr("the schema"));
  EXPECT_THAT(error_of(spec(Kind::kJsonSchema, R"({"type": "strin"})")), HasSubstr("/type"));
  EXPECT_THAT(error_of(spec(Kind::kJsonSchema, std::string(3 << 20, ' '))),
              HasSubstr("the schema"));
  EXPECT_THAT(error_of(spec(Kind::kRegex, "a(b")), HasSubstr("("));
  EXPECT_THAT(error_of(spec(Kind::kRegex, "a$b")), HasSubstr("matches no text"));
  EXPECT_THAT(error_of({.kind = Kind::kChoice}), HasSubstr("choice"));
  EXPECT_THAT(error_of({.kind = Kind::kChoice, .choices = {"a", "\xFF"}}), HasSubstr("choice 2"));
  EXPECT_THAT(error_of(spec(Kind::kEbnf, "root ::= other")), HasSubstr("other"));
  EXPECT_THAT(error_of(spec(Kind::kEbnf, R"(root ::= "a" root)")), HasSubstr("matches no text"));
}

double cpu_s() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Each would run for ages, or fill the memory.
TEST(Compile, HostileGrammarsAreRefusedInTime) {
  std::string nested = R"({"type": "string"})";
  for (int level = 0; level < 12; ++level) {
    nested = R"({"oneOf": [)" + nested + "," + nested + R"(, {"minLength": )" +
             std::to_string(level + 1) + "}]}";
    if (nested.size() > 500'000) break;
  }
  for (
      const GrammarSpec& hostile :
      {spec(Kind::kRegex, "((((a{1,1000}){1,1000}){1,1000}){1,1000})b"),
       spec(Kind::kRegex, "(.*a){9000}.*b"), spec(Kind::kJsonSchema, nested),
       spec(
           Kind::kJsonSchema,
           R"re({"type": "string", "allOf": [{"pattern": "(.*a.{200}b)"}, {"pattern": "(.*b.{201}c)"},
             {"pattern": "^(.{7})*$"}, {"pattern": "^(.{11})*$"}, {"pattern": "^(.{13})*$"}, {"maxLength": 5000}]})re"),
       spec(Kind::kEbnf, R"(root ::= (("a" | "b" root){0,5000} "c"){0,5000})")}) {
    const double start = cpu_s();
    const auto compiled = compile(hostile);
    EXPECT_LT(cpu_s() - start, 3.0) << hostile.text.substr(0, 80);
    if (!compiled) continue;
    // What passes must not stop the others of a batch later.
    const double matching = cpu_s();
    try {
      accepts(*compiled, "aaaaaaaaaa");
    } catch (const BudgetError&) {
    }
    EXPECT_LT(cpu_s() - matching, 1.0) << hostile.text.substr(0, 80);
  }
}

// Each + can belong to hundreds of readings: their stacks share tops and bottoms.
TEST(Compile, AnAmbiguousTextIsFollowedInTime) {
  const auto sums =
      compile(spec(Kind::kEbnf, R"re(root ::= root "+" root+ | "(" root ")" | [0-9])re"));
  ASSERT_TRUE(sums) << sums.error().message();
  std::string text = "1";
  for (int i = 0; i < 60; ++i) text += i % 3 == 0 ? "+(2)" : "+3";
  const double start = cpu_s();
  EXPECT_TRUE(accepts(*sums, text));
  EXPECT_FALSE(accepts(*sums, text + "+"));
  EXPECT_LT(cpu_s() - start, 1.0);
}

// As agents send them on every turn: 300 tools, half a megabyte.
TEST(Compile, HundredsOfToolsCompileInTime) {
  GrammarSpec many{.kind = Kind::kJsonObject, .tools = ToolSpec{.format = ToolFormat::kPlain}};
  size_t bytes = 0;
  for (int i = 0; i < 300; ++i) {
    std::string schema = R"({"type": "object", "required": ["p0", "p7"], "properties": {)";
    for (int p = 0; p < 16; ++p) {
      const std::string name = "p" + std::to_string(p);
      schema += (p > 0 ? ", \"" : "\"") + name +
                R"(": {"description": "what it is for, at some length", "anyOf": [)" +
                R"({"type": "string", "maxLength": )" + std::to_string(10 + i + p) +
                R"(}, {"enum": [)" + std::to_string(i) + "]}]}";
    }
    many.tools->tools.push_back({.name = "tool_" + std::to_string(i), .parameters = schema + "}}"});
    bytes += schema.size();
  }
  EXPECT_GT(bytes, 500'000u);
  const double start = cpu_s();
  const auto compiled = compile(many);
  ASSERT_TRUE(compiled) << compiled.error().message();
  EXPECT_LT(cpu_s() - start, 2.0);
  EXPECT_TRUE(accepts(*compiled,
                      "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_299<｜tool▁sep｜>{\"p0\": "
                      "299, \"p7\": \"x\"}"
                      "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"));
}

TEST(CompileCache, ASpecificationIsCompiledOnce) {
  CompileCache cache;
  std::string slow = R"({"enum": [0)";  // long enough for the others to come meanwhile
  for (int i = 0; i < 5000; ++i) slow += ", \"" + std::to_string(i * 7919) + "\"";
  slow += "]}";
  std::vector<std::thread> threads;
  std::vector<const Grammar*> got(8);
  for (size_t i = 0; i < got.size(); ++i) {
    threads.emplace_back(
        [&, i] { got[i] = cache.get(spec(Kind::kJsonSchema, slow))->grammar.get(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const Grammar* each : got) EXPECT_EQ(each, got[0]);
  EXPECT_EQ(cache.misses(), 1);
  EXPECT_EQ(cache.hits(), 7);
  EXPECT_NE(cache.get(spec(Kind::kEbnf, "root ::= \"a\""))->grammar.get(), got[0]);
  EXPECT_FALSE(cache.get(spec(Kind::kRegex, "(")));
  EXPECT_FALSE(cache.get(spec(Kind::kRegex, "(")));
  EXPECT_EQ(cache.misses(), 4);
  // What separates choices separates keys.
  const auto one = cache.get({.kind = Kind::kChoice, .choices = {"ab", "c"}});
  const auto other = cache.get({.kind = Kind::kChoice, .choices = {"a", "bc"}});
  EXPECT_NE(one->grammar, other->grammar);
}

TEST(CompileCache, TheLeastRecentlyUsedGoesFirst) {
  const i64 each = compile(spec(Kind::kRegex, "a[b-c]{100}"))->grammar->memory_bytes();
  CompileCache cache(each * 5 / 2);
  const auto get = [&](const char* text) { return cache.get(spec(Kind::kRegex, text))->grammar; };
  const auto first = get("a[b-c]{100}");
  get("b[b-c]{100}");
  EXPECT_EQ(get("a[b-c]{100}"), first);
  get("c[b-c]{100}");  // b goes
  EXPECT_EQ(cache.misses(), 3);
  EXPECT_EQ(get("a[b-c]{100}"), first);
  get("b[b-c]{100}");
  EXPECT_EQ(cache.misses(), 4);
  EXPECT_LE(cache.memory_bytes(), each * 5 / 2);
}

}  // namespace
}  // namespace fathom::grammar
