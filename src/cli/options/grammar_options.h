#pragma once
// What an answer has to be, for the commands that write text.
#include <memory>
#include <string>
#include <vector>

#include "engine/prompt.h"
#include "engine/request.h"

namespace CLI {
class App;
}
namespace fathom::grammar {
class Grammar;
}

namespace fathom::cli {

struct GrammarOptions {
  std::string json_schema_file, regex, grammar_file;
  std::vector<std::string> choices;
  bool strict = false;
};

/// --json-schema, --strict, --regex, --choice, --grammar; one of them at most but for --strict.
void add_grammar_options(CLI::App& command, GrammarOptions& options);

/// Compiles what was asked for; nullptr: nothing was. Warns of what a schema says in vain. Throws
/// Error that names the option or file.
std::shared_ptr<const grammar::Grammar> compile_grammar(const GrammarOptions& options);

/// Answers to `request` will be texts of `grammar`, each ended by one of its stop_token_ids. With a
/// nullptr nothing changes. `codec` outlives the request.
void hold_to_grammar(const std::shared_ptr<const grammar::Grammar>& grammar,
                     const engine::TextCodec& codec, engine::GenerateRequest& request);

}  // namespace fathom::cli
