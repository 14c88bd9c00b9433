#include "cli/options/grammar_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <optional>

#include "base/log.h"
#include "cli/options/text_input.h"
#include "engine/sampling/grammar_mask.h"
#include "grammar/compile.h"
#include "grammar/ebnf/compile_ebnf.h"

namespace fathom::cli {
namespace {

using grammar::GrammarSpec;

void warn_of_weakened(const std::string& name,
                      const std::vector<grammar::SchemaFinding>& findings) {
  for (const grammar::SchemaFinding& finding : findings) {
    if (finding.kind != grammar::SchemaFinding::Kind::kWeakened) continue;
    log::warn("{}: {} is not enforced: {}", name, finding.pointer, finding.message);
  }
}

void warn_of_unused_rules(const std::string& name, const std::string& text) {
  const std::vector<std::string> unused = value_or_throw(grammar::unused_ebnf_rules(text));
  if (!unused.empty()) {
    log::warn("{}: root does not use {}: {}", name, unused.size() == 1 ? "the rule" : "the rules",
              fmt::join(unused, ", "));
  }
}

}  // namespace

void add_grammar_options(Arguments& command, GrammarOptions& options) {
  Option schema = command.add_option("--json-schema", options.json_schema_file,
                                     "The answer is JSON that is valid under this schema");
  Option regex = command.add_option(
      "--regex", options.regex, "The answer is matched as a whole by this pattern (ECMAScript's)");
  Option choice = command.add_option("--choice", options.choices,
                                     "The answer is one of these texts: A,B or one by one");
  Option grammar = command.add_option("--grammar", options.grammar_file,
                                      "The answer is a text of this grammar (GBNF)");
  schema.type_name("FILE");
  grammar.type_name("FILE");
  choice.delimiter(',').one_value_each();
  const std::array all{schema, regex, choice, grammar};
  for (Option one : all) {
    for (Option other : all) {
      if (one != other) one.excludes(other);
    }
  }
  command
      .add_flag(
          "--strict", options.strict,
          "With --json-schema: objects have no members that it does not name, and what cannot "
          "be enforced is an error")
      .needs(schema);
}

std::optional<NamedGrammar> read_grammar(const GrammarOptions& options) {
  NamedGrammar named;
  if (!options.json_schema_file.empty()) {
    named.name = options.json_schema_file;
    named.spec = {.kind = GrammarSpec::Kind::kJsonSchema,
                  .text = read_text(options.json_schema_file),
                  .schema = {.strict = options.strict}};
  } else if (!options.grammar_file.empty()) {
    named.name = options.grammar_file;
    named.spec = {.kind = GrammarSpec::Kind::kEbnf, .text = read_text(options.grammar_file)};
  } else if (!options.choices.empty()) {
    named.name = "--choice";
    named.spec = {.kind = GrammarSpec::Kind::kChoice, .choices = options.choices};
  } else if (!options.regex.empty()) {
    named.name = "--regex";
    named.spec = {.kind = GrammarSpec::Kind::kRegex, .text = options.regex};
  } else {
    return std::nullopt;
  }
  return named;
}

std::shared_ptr<const grammar::Grammar> compile_grammar(const std::optional<NamedGrammar>& named) {
  if (!named) return nullptr;
  auto compiled = grammar::compile(named->spec);
  if (!compiled) {
    throw Error(compiled.error().code(),
                fmt::format("{}: {}", named->name, compiled.error().message()));
  }
  warn_of_weakened(named->name, compiled->findings);
  if (named->spec.kind == GrammarSpec::Kind::kEbnf) {
    warn_of_unused_rules(named->name, named->spec.text);
  }
  return compiled->grammar;
}

std::shared_ptr<const grammar::Grammar> compile_grammar(std::optional<NamedGrammar> named,
                                                        grammar::ToolSpec tools) {
  if (!named) named = NamedGrammar{.name = "tools", .spec = {}};
  named->spec.tools = std::move(tools);
  return compile_grammar(named);
}

void hold_to_grammar(const std::shared_ptr<const grammar::Grammar>& grammar,
                     const engine::TextCodec& codec, engine::GenerateRequest& request) {
  if (!grammar) return;
  request.make_mask = engine::make_grammar_mask(
      grammar, std::make_shared<const grammar::Vocabulary>(codec.tokenizer),
      request.stop_token_ids);
}

}  // namespace fathom::cli
