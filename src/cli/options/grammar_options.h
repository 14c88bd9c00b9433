#pragma once
// What an answer has to be, for the commands that write text.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"
#include "engine/prompt.h"
#include "engine/request.h"
#include "grammar/compile.h"

namespace fathom::cli {

struct GrammarOptions {
  std::string json_schema_file, regex, grammar_file;
  std::vector<std::string> choices;
  bool strict = false;
};

/// --json-schema, --strict, --regex, --choice, --grammar; one of them at most but for --strict.
void add_grammar_options(Arguments& command, GrammarOptions& options);

/// What was asked for, and by what option or file.
struct NamedGrammar {
  std::string name;
  grammar::GrammarSpec spec;
};
/// nullopt: nothing was asked for. Throws Error for a file that cannot be read.
std::optional<NamedGrammar> read_grammar(const GrammarOptions& options);
/// nullptr for nullopt. Warns of what a schema says in vain. Throws Error that begins with the
/// name.
std::shared_ptr<const grammar::Grammar> compile_grammar(const std::optional<NamedGrammar>& named);
/// The same where the answer may or must be a call of `tools` instead.
std::shared_ptr<const grammar::Grammar> compile_grammar(std::optional<NamedGrammar> named,
                                                        grammar::ToolSpec tools);

/// Answers to `request` will be texts of `grammar`, each ended by one of its stop_token_ids. With a
/// nullptr nothing changes. `codec` outlives the request.
void hold_to_grammar(const std::shared_ptr<const grammar::Grammar>& grammar,
                     const engine::TextCodec& codec, engine::GenerateRequest& request);

}  // namespace fathom::cli
