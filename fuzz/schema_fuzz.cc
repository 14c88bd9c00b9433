// A JSON Schema, and after the first NUL what picks a text from those that are valid under it: each
// is JSON, and no beginning is a dead end.
#include "base/check.h"
#include "grammar/schema/compile_schema.h"
#include "grammar_walk.h"
#include "io/json.h"

using namespace fathom;
using namespace fathom::grammar;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t nul = std::min(input.find('\0'), input.size());
  const auto schema = io::parse_json(input.substr(0, nul), "schema", kSchemaLimits);
  if (!schema) return 0;
  for (const bool strict : {false, true}) {
    try {
      RuleArena rules(kFuzzBudget);
      const auto compiled = compile_schema(rules, *schema, {.strict = strict});
      if (!compiled || !rules.finish() || !rules.can_match(compiled->root)) continue;
      Automaton automaton(std::move(rules), compiled->root, kFuzzBudget);
      const auto text = walk(automaton, input.substr(std::min(nul + 1, size)));
      if (!text) continue;
      const auto parsed = io::parse_json(*text, "text", {.max_depth = 1000});
      // A key that the schema does not name may come twice, and a number be one that no double
      // holds.
      const std::string message = parsed ? "" : parsed.error().message();
      FATHOM_CHECK(parsed || message.find("twice") != std::string::npos ||
                       message.find("number overflow") != std::string::npos,
                   "accepted: ", *text, ": ", message);
    } catch (const BudgetError&) {
    }
  }
  return 0;
}
