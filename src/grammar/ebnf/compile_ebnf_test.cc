#include "grammar/ebnf/compile_ebnf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "grammar/match/automaton.h"
#include "io/json.h"
#include "testing/golden_directory.h"

namespace fathom::grammar {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Whether the grammar accepts the whole of a text.
class Acceptor {
 public:
  explicit Acceptor(std::string_view grammar) {
    RuleArena rules;
    const Expr root = value_or_throw(compile_ebnf(rules, grammar));
    value_or_throw(rules.finish());
    if (rules.can_match(root)) automaton_.emplace(std::move(rules), root, Budget{});
  }
  bool operator()(std::string_view text) {
    if (!automaton_) return false;
    return automaton_->accepting(automaton_->next(automaton_->start(), text));
  }
  i64 num_states() const { return automaton_->num_states(); }

 private:
  std::optional<Automaton> automaton_;
};

std::string error_of(std::string_view grammar) {
  RuleArena rules;
  const Result<Expr> root = compile_ebnf(rules, grammar);
  if (!root) return root.error().message();
  const Result<void> finished = rules.finish();
  return finished ? "no error" : finished.error().message();
}

/// "", "a", "b", "c", "aa", ... to five letters.
std::vector<std::string> all_texts() {
  std::vector<std::string> texts{""};
  for (size_t i = 0; texts[i].size() < 5; ++i) {
    for (const char letter : {'a', 'b', 'c'}) texts.push_back(texts[i] + letter);
  }
  return texts;
}

void expect_same_language(std::string_view one, std::string_view other) {
  Acceptor first(one), second(other);
  for (const std::string& text : all_texts()) {
    EXPECT_EQ(first(text), second(text)) << one << "\n" << other << "\n" << text;
  }
}

// llama.cpp's verdicts on its sample grammars and on random ones.
TEST(CompileEbnf, AgreesWithLlamaCpp) {
  const io::JsonValue golden =
      value_or_throw(io::read_json(testing::golden_directory("grammar") / "gbnf.json"));
  int num_compared = 0;
  for (const io::JsonValue& item : golden.as_array()) {
    const std::string& grammar = item.find("grammar")->as_string();
    Acceptor accepts(grammar);
    for (const bool expected : {true, false}) {
      for (const io::JsonValue& text : item.find(expected ? "accepted" : "refused")->as_array()) {
        EXPECT_EQ(accepts(text.as_string()), expected) << grammar << "\n" << text.as_string();
        ++num_compared;
      }
    }
  }
  EXPECT_GT(num_compared, 2000);
}

TEST(CompileEbnf, WhatIsNotRecursiveIsOneRegularExpression) {
  RuleArena rules;
  const Expr root = value_or_throw(compile_ebnf(rules, R"(
    root ::= sign? digits ("." digits)?
    sign ::= "-"
    digits ::= digit | digit digits
    digit ::= [0-9])"));
  ASSERT_TRUE(rules.finish());
  const auto continuations = rules.continuations(root);
  ASSERT_EQ(continuations.size(), 1u);
  EXPECT_EQ(continuations[0].rest, rules.empty());
}

TEST(CompileEbnf, RecursionAtTheFrontIsARepetition) {
  expect_same_language("root ::= root \"a\" | \"b\"", "root ::= \"b\" \"a\"*");
  expect_same_language("root ::= root \"a\" root | \"b\" | root", "root ::= \"b\" (\"a\" \"b\")*");
  expect_same_language("root ::= (root \"a\" | \"b\" root | \"c\")",
                       "root ::= x \"a\"*\nx ::= \"b\" root | \"c\"");
  expect_same_language("root ::= x \"c\"\nx ::= x x | \"a\" | \"b\"", "root ::= [ab]+ \"c\"");
  EXPECT_FALSE(Acceptor("root ::= root \"a\"")(""));
  // A long ambiguous text has few readings all the same.
  Acceptor sums("root ::= root \"a\" root | \"b\" | \"(\" root \")\"");
  std::string text = "(b)";
  for (int i = 0; i < 3000; ++i) text += "ab";
  EXPECT_TRUE(sums(text));
  EXPECT_FALSE(sums(text + "a"));
}

TEST(CompileEbnf, RecursionAtTheBackIsARepetition) {
  expect_same_language("root ::= \"a\" root | \"b\"", "root ::= \"a\"* \"b\"");
  expect_same_language("root ::= (\"a\" root)?", "root ::= \"a\"*");
  expect_same_language("root ::= \"a\" (\"b\" root | \"c\") | \"c\" root?",
                       "root ::= (\"ab\" | \"c\")* (\"ac\" | \"c\")");
  expect_same_language("root ::= \"a\" root \"b\" root | \"\"",
                       "root ::= x*\nx ::= \"a\" x* \"b\"");
  expect_same_language("root ::= \"a\" root{2} | \"b\"",
                       "root ::= x\nx ::= \"a\" y | \"b\"\ny ::= x x");
  Acceptor list("root ::= \"a\" | \"a\" \"b\" root");
  std::string text = "a";
  for (int i = 0; i < 100'000; ++i) text += "ba";
  EXPECT_TRUE(list(text));
  EXPECT_LT(list.num_states(), 10);
}

TEST(CompileEbnf, BeyondLlamaCpp) {
  expect_same_language("root ::=\n    \"a\" x_1\n  | \"b\"\n  # more\n\n  | \"c\"\nx_1 ::= \"b\"",
                       "root ::= \"ab\" | \"b\" | \"c\"");
  EXPECT_TRUE(Acceptor("root ::= \"a\"{2501}")(std::string(2501, 'a')));
  expect_same_language("root ::= \"a\"*?", "root ::= \"a\"*");
  expect_same_language("root ::= \"a\"{2}{2}", "root ::= \"aaaa\"");
}

TEST(CompileEbnf, ErrorsSayWhereAndWhat) {
  const std::pair<const char*, const char*> kErrors[] = {
      {"", "there is no rule root"},
      {"x ::= \"a\"", "there is no rule root"},
      {"root \"a\"", "line 1, column 6: expected ::= behind the rule's name, found \"\"a\"\""},
      {"root ::= \"a\"\n= \"b\"",
       "line 2, column 1: expected the name of a rule, found \"= \"b\"\""},
      {"root ::= \"a\" ) \"b\"", "line 1, column 14: expected a literal"},
      {"root ::= (\"é\" | \"b\"\n x ::= \"c\"",
       "line 2, column 4: expected a ), found \"::= \"c\"\""},
      {"root ::= \"a", "line 1, column 10: a literal without its closing \""},
      {"root ::= [a", "line 1, column 10: a class without its ]"},
      {"root ::= []", "line 1, column 10: a class of no characters"},
      {"root ::= [b-a]", "line 1, column 11: expected a range"},
      {"root ::= \"é\\q\"", "line 1, column 12: expected one of the escapes"},
      {"root ::= \"\\x4\"", "expected 2 hexadecimal digits"},
      {"root ::= \"\\ud800\"", "expected the number of a Unicode character"},
      {"root ::= \"\\U00110000\"", "expected the number of a Unicode character"},
      {"root ::= * \"a\"", "line 1, column 10: expected something to repeat"},
      {"root ::= \"a\"{x}", "line 1, column 14: expected a count, found \"x}\""},
      {"root ::= \"a\"{3,2}", "a second count that is not below the first"},
      {"root ::= \"a\"{2", "line 1, column 15: expected a }, found the end"},
      {"root ::= \"a\"{10001}", "a repetition of more than 10000 times"},
      {"root ::= <think>", "line 1, column 10: tokens (<name>) are not supported"},
      {"root ::= !<[1]>", "tokens (<name>) are not supported"},
      {"root ::= x yy\nz ::= yy",
       "not defined: x (line 1, column 10), yy (line 1, column 12), yy (line 2, column 7)"},
      {"root ::= \"a\"\nroot ::= \"b\"",
       "line 2, column 1: the rule root is already defined at line 1, column 1"},
      {"root ::= \"a\xFF\"", "line 1, column 12: not valid UTF-8"}};
  for (const auto& [grammar, message] : kErrors) {
    EXPECT_THAT(error_of(grammar), HasSubstr(message)) << grammar;
  }
  EXPECT_THAT(error_of("root ::= x | \"a\"\nx ::= root \"b\" | \"c\""),
              HasSubstr("left recursion"));
  EXPECT_THAT(error_of("root ::= root* \"a\" | \"b\""), HasSubstr("left recursion"));
  EXPECT_THAT(error_of("root ::= \" \"? root \"b\" | \"c\""),
              AllOf(HasSubstr("root"), HasSubstr("left recursion")));
}

TEST(CompileEbnf, SaysWhichRulesAreNotUsed) {
  EXPECT_THAT(*unused_ebnf_rules("a ::= b\nroot ::= (c)*\nb ::= a\nc ::= \"x\" c?\nd ::= c"),
              ::testing::ElementsAre("a", "b", "d"));
  EXPECT_THAT(*unused_ebnf_rules("root ::= root | x\nx ::= \"\""), ::testing::IsEmpty());
  EXPECT_THAT(*unused_ebnf_rules("root ::= x y y\nx ::= \"\"\ny ::= \"\""), ::testing::IsEmpty());
  EXPECT_FALSE(unused_ebnf_rules("root ::= x"));
}

TEST(CompileEbnf, HostileGrammarsAreRefusedOrSmall) {
  EXPECT_THAT(error_of("root ::= " + std::string(5000, '(')),
              HasSubstr("groups nested deeper than 200"));
  EXPECT_THAT(error_of("root ::= \"a\"" + std::string(5000, '*')),
              HasSubstr("fewer repetitions of repetitions"));
  EXPECT_THAT(error_of("root ::= \"" + std::string(size_t{1} << 20, 'a') + "\""),
              HasSubstr("the limit is 1048576"));
  std::string doubling = "root ::= r60\nr0 ::= \"a\"\n", nested = "root ::= r60\nr0 ::= \"a\"\n";
  for (int i = 1; i <= 60; ++i) {
    const std::string name = "r" + std::to_string(i), last = "r" + std::to_string(i - 1);
    doubling += name + " ::= " + last + " " + last + "\n";
    nested += name + " ::= (" + last + " " + last + "?){3,9}\n";
  }
  EXPECT_THROW(error_of(doubling), BudgetError);
  EXPECT_EQ(error_of(nested), "no error");  // repetitions are counted, not written out
}

TEST(CompileEbnf, TwentyThousandRulesInARing) {
  std::string many = "root ::= r0\n";
  for (int i = 0; i < 20'000; ++i) {
    many += "r" + std::to_string(i) + " ::= \"a\" r" + std::to_string((i + 1) % 20'000) +
            " \"b\" | \"c\"\n";
  }
  EXPECT_EQ(error_of(many), "no error");
}

}  // namespace
}  // namespace fathom::grammar
