// Answers under a grammar: alone and in batches, with drafts and without, at any temperature,
// behind a thought. Whatever a random model says must fit.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "base/clock.h"
#include "engine/sampling/grammar_mask.h"
#include "engine/test_predictable.h"
#include "grammar/compile.h"
#include "grammar/regex/anchors.h"
#include "grammar/regex/parse_regex.h"
#include "testing/for_each_isa.h"

namespace fathom::engine {
namespace {

/// Long forced parts, optional parts, a limited repetition, an end that may come or not.
constexpr std::string_view kPattern = R"re(\{"name": "[a-z]{1,8}", "colour": "(red|green|blue)")re"
                                      R"re((, "tags": \[("[a-z]"(, "[a-z]"){0,3})?\])?\}( ok)?)re";

struct Compiled {
  std::shared_ptr<const grammar::Grammar> grammar;
  grammar::Regex pattern;
  std::shared_ptr<grammar::RuleArena> rules;
  std::shared_ptr<const grammar::Vocabulary> vocabulary;

  bool matches(std::string_view text) const { return rules->regexes().matches(pattern, text); }
};

Compiled compile(std::string_view text) {
  Compiled compiled{.rules = std::make_shared<grammar::RuleArena>()};
  grammar::RegexArena& regexes = compiled.rules->regexes();
  compiled.pattern = grammar::whole_text(
      regexes, value_or_throw(grammar::parse_regex(regexes, text, grammar::Spelling::kUtf8)));
  const grammar::Expr root = compiled.rules->regex(compiled.pattern);
  value_or_throw(compiled.rules->finish());
  compiled.grammar =
      std::make_shared<const grammar::Grammar>(*compiled.rules, root, grammar::Budget{});
  compiled.vocabulary =
      std::make_shared<const grammar::Vocabulary>(predictable_v3().codec->tokenizer);
  return compiled;
}

class GrammarTest : public ::testing::Test {
 protected:
  static std::unique_ptr<Engine> engine(i64 drafts) {
    return predictable_v3().engine({.context_tokens = 256,
                                    .cache_tokens = 8 * 1024,
                                    .draft_tokens = drafts,
                                    .adaptive_drafts = false});
  }
  GenerateRequest request(u64 seed, double temperature) const {
    GenerateRequest request;
    request.prompt_ids = ids_of(predictable_v3(), "answer " + std::to_string(seed));
    request.sampling = {.temperature = temperature, .seed = seed};
    request.max_tokens = 200;
    request.top_log_probs = 1;
    request.stop_token_ids = {end_id()};
    request.make_mask = make_grammar_mask(compiled_.grammar, compiled_.vocabulary, {end_id()});
    return request;
  }
  static i32 end_id() {
    return static_cast<i32>(predictable_v3().codec->tokenizer.vocab_size()) - 1;
  }

  testing::ScopedThreads one_thread_{1};
  Compiled compiled_ = compile(kPattern);
};

TEST_F(GrammarTest, EveryAnswerFitsAndDraftsChangeNothing) {
  std::vector<GenerateRequest> requests;
  for (u64 seed = 0; seed < 40; ++seed) {
    for (const double temperature : {0.0, 1.0, 2.0}) requests.push_back(request(seed, temperature));
  }
  const auto with = engine(3), without = engine(0);
  const auto drafted = run_together(*with, requests), plain = run_together(*without, requests);
  const auto alone = engine(0);
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = plain[i].answers[0];
    EXPECT_EQ(answer.reason, FinishReason::kStop) << answer.text;
    EXPECT_TRUE(compiled_.matches(answer.text)) << answer.text;
    EXPECT_EQ(drafted[i].answers[0], answer) << i;
    if (i % 10 == 0) {
      EXPECT_EQ(run_alone(*alone, requests[i])[0], answer) << i;
    }
    for (const double log_prob : answer.log_probs) EXPECT_TRUE(std::isfinite(log_prob));
  }
  // Forced tokens share passes, and are no drafts.
  EXPECT_LT(without->counters().decode_passes, 60u);
  EXPECT_EQ(without->counters().drafts.drafts, 0u);
}

TEST_F(GrammarTest, BehindAThoughtWhoseEndMayLieInsideARunOfDrafts) {
  for (const i64 budget : {0, 1, 5, 17}) {
    for (u64 seed = 0; seed < 8; ++seed) {
      GenerateRequest thinking = request(seed, seed % 2 == 0 ? 0.0 : 1.0);
      thinking.thinking = ThinkingParams{.end_id = 'z', .max_tokens = budget};
      const auto with = engine(3), without = engine(0);
      const Answer answer = run_alone(*without, thinking)[0];
      EXPECT_EQ(run_alone(*with, thinking)[0], answer);
      const auto end = std::ranges::find(answer.ids, 'z');
      ASSERT_NE(end, answer.ids.end());
      const std::vector<i32> behind(end + 1, answer.ids.end());
      EXPECT_TRUE(compiled_.matches(predictable_v3().codec->tokenizer.decode(behind)))
          << answer.text;
    }
  }
}

// The end may come at every token, and is what many drafts propose.
TEST_F(GrammarTest, DraftsOfTheEndItself) {
  const i32 end = ids_of(predictable_v3(), "e")[0];
  const Compiled open = compile("[a-df-z ]{0,80}");
  std::vector<GenerateRequest> requests;
  for (u64 seed = 0; seed < 60; ++seed) {
    requests.push_back(request(seed, seed % 2 == 0 ? 0.0 : 1.0));
    requests.back().stop_token_ids = {end};
    requests.back().make_mask = make_grammar_mask(open.grammar, open.vocabulary, {end});
  }
  const auto with = engine(3), without = engine(0);
  const auto drafted = run_together(*with, requests), plain = run_together(*without, requests);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(drafted[i].answers[0], plain[i].answers[0]) << i;
    EXPECT_EQ(drafted[i].answers[0].reason, FinishReason::kStop);
  }
  EXPECT_GT(with->counters().drafts.drafts, 100u);
}

TEST_F(GrammarTest, CutByItsLengthItIsABeginning) {
  for (i64 tokens = 1; tokens < 40; tokens += 3) {
    GenerateRequest cut = request(7, 1.0);
    cut.max_tokens = tokens;
    const Answer answer = run_alone(*engine(0), cut)[0];
    EXPECT_EQ(answer.reason, FinishReason::kLength);
    EXPECT_EQ(std::ssize(answer.ids), tokens) << answer.text;
    EXPECT_EQ(run_alone(*engine(3), cut)[0], answer);
  }
}

// Checks 47 to 58 of one another: a value of a schema, calls, either, all behind a thought or not,
// with drafts or not, alone or in a batch, at three temperatures.
TEST_F(GrammarTest, SchemasAndToolsInEveryCombination) {
  const std::string schema =
      R"({"type": "object", "required": ["n", "of"], "additionalProperties": false, "properties": {
    "n": {"type": "integer", "minimum": -3, "maximum": 40}, "of": {"enum": ["a", "b", null]},
    "s": {"type": "string", "maxLength": 5}, "list": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}}})";
  const grammar::ToolSpec tools{
      .format = grammar::ToolFormat::kChatMl,
      .tools = {{.name = "f", .parameters = schema}, {.name = "g", .parameters = schema}},
      .parallel = false};
  using Kind = grammar::GrammarSpec::Kind;
  grammar::GrammarSpec value{.kind = Kind::kJsonSchema, .text = schema};
  grammar::GrammarSpec required{.tools = tools}, either = value;
  required.tools->choice = grammar::ToolSpec::Choice::kRequired;
  either.tools = tools;
  std::vector<GenerateRequest> requests;
  std::vector<const grammar::Grammar*> grammars;
  for (const grammar::GrammarSpec& spec : {value, required, either}) {
    const auto compiled = value_or_throw(grammar::compile(spec));
    for (u64 seed = 0; seed < 4; ++seed) {
      for (const double temperature : {0.0, 1.0, 2.0}) {
        for (const bool thinks : {false, true}) {
          GenerateRequest each = request(seed, temperature);
          each.make_mask = make_grammar_mask(compiled.grammar, compiled_.vocabulary, {end_id()});
          // A model that never leaves its white space would test nothing else.
          for (const char space : std::string(" \t\n\r")) {
            each.sampling.logit_bias.emplace_back(
                ids_of(predictable_v3(), std::string(1, space))[0], -3.0);
          }
          if (thinks) each.thinking = ThinkingParams{.end_id = 'z', .max_tokens = 5};
          requests.push_back(std::move(each));
          grammars.push_back(compiled.grammar.get());
        }
      }
    }
  }
  const auto with = engine(3), without = engine(0);
  const auto drafted = run_together(*with, requests), plain = run_together(*without, requests);
  i64 complete = 0;
  for (size_t i = 0; i < requests.size(); ++i) {
    const Answer& answer = plain[i].answers[0];
    EXPECT_EQ(drafted[i].answers[0], answer) << i;
    if (i % 9 == 0) {
      EXPECT_EQ(run_alone(*engine(3), requests[i])[0], answer) << i;
    }
    auto begin = answer.ids.begin();
    if (requests[i].thinking) begin = std::ranges::find(answer.ids, 'z') + 1;
    const std::string text =
        predictable_v3().codec->tokenizer.decode(std::vector<i32>(begin, answer.ids.end()));
    grammar::TokenMasks& masks = *grammars[i]->masks(compiled_.vocabulary);
    const auto state = masks.next(masks.start(), text);
    EXPECT_NE(state, grammar::Automaton::kDead) << text;
    const bool stopped = answer.reason == FinishReason::kStop;
    EXPECT_TRUE(stopped || answer.reason == FinishReason::kLength) << text;
    EXPECT_TRUE(!stopped || masks.accepting(state)) << text;
    EXPECT_THAT(text, ::testing::Not(::testing::ContainsRegex("[ \t\n\r]{65}"))) << i;
    complete += stopped ? 1 : 0;
  }
  EXPECT_GT(complete, std::ssize(requests) / 2);
}

// Check 50: what a client's thread compiles, or is refused for, stops no stream.
TEST_F(GrammarTest, StreamsGoOnWhileAHostileGrammarIsCompiled) {
  std::string nested = R"({"type": "string"})";
  for (int level = 1; level <= 12 && nested.size() < 500'000; ++level) {
    nested = R"({"oneOf": [)" + nested + "," + nested + R"(, {"minLength": )" +
             std::to_string(level) + "}]}";
  }
  std::atomic<bool> compiled = false;
  std::thread client([&] {
    static_cast<void>(
        grammar::compile({.kind = grammar::GrammarSpec::Kind::kJsonSchema, .text = nested}));
    compiled = true;
  });
  const auto decoding = engine(0);
  double longest_s = 0.0;
  i64 answers = 0;
  while (!compiled) {
    const Submission submission =
        value_or_throw(decoding->submit(request(static_cast<u64>(answers++), 1.0)));
    std::vector<Answer> answer(1);
    while (!submission.stream->done()) {
      const Clock::time_point begin = Clock::now();
      decoding->step();
      longest_s = std::max(longest_s, seconds_since(begin));
      collect(*submission.stream, answer);
    }
    EXPECT_TRUE(compiled_.matches(answer[0].text)) << answer[0].text;
  }
  client.join();
  EXPECT_GT(answers, 1);
  EXPECT_LT(longest_s, 1.0);
}

TEST_F(GrammarTest, ATextBeyondTheBudgetEndsWithAnError) {
  grammar::RuleArena rules;
  const grammar::Rule list = rules.declare("list");
  rules.define(list, rules.sequence({rules.literal("("), rules.optional(rules.rule(list)),
                                     rules.literal(")")}));
  const grammar::Expr root = rules.rule(list);
  value_or_throw(rules.finish());
  grammar::Budget budget;
  budget.matching_nodes = 120;
  const auto deep = std::make_shared<const grammar::Grammar>(std::move(rules), root, budget);
  GenerateRequest asked = request(1, 1.0);
  asked.sampling.logit_bias = {{ids_of(predictable_v3(), "(")[0], 100.0}};
  asked.make_mask = make_grammar_mask(deep, compiled_.vocabulary, {end_id()});
  for (const i64 drafts : {0, 3}) {
    const auto broken = engine(drafts);
    const Submission submission = value_or_throw(broken->submit(asked));
    std::vector<Answer> answers(1);
    while (!submission.stream->done()) {
      broken->step();
      collect(*submission.stream, answers);
    }
    EXPECT_EQ(answers[0].reason, FinishReason::kError);
    EXPECT_THAT(submission.stream->error(), ::testing::HasSubstr("too large"));
    // Others go on.
    EXPECT_EQ(run_alone(*broken, request(2, 1.0))[0].reason, FinishReason::kStop);
  }
}

}  // namespace
}  // namespace fathom::engine
