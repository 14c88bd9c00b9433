#include "grammar/tools/tool_writer.h"

#include "grammar/match/control_token.h"
#include "grammar/regex/characters.h"
#include "io/json.h"
#include "tokenizer/chat/marks.h"

namespace fathom::grammar {

using tokenizer::kCallBegin;
using tokenizer::kCallEnd;
using tokenizer::kCallsBegin;
using tokenizer::kCallsEnd;
using tokenizer::kDsmlMark;
using tokenizer::kToolCallBegin;
using tokenizer::kToolCallEnd;
using tokenizer::kToolSep;

std::string ToolWriter::mark_bytes(std::string_view spelling) const {
  const std::string text(spelling);
  return spec_.tokens.contains(text) ? control_token(text) : text;
}

Regex ToolWriter::free_text() {
  RegexArena& regexes = rules_.regexes();
  const Regex any = any_text(regexes, Spelling::kUtf8);
  std::string_view first = kCallsBegin;
  if (spec_.format == ToolFormat::kChatMl) first = kToolCallBegin;
  if (spec_.format == ToolFormat::kDsml) first = kDsmlMark;
  if (spec_.tokens.contains(std::string(first))) return any;  // text cannot spell it
  const Regex everything = regexes.everything();
  return regexes.subtract(any, regexes.concat({everything, regexes.literal(first), everything}));
}

Expr ToolWriter::dsml(std::string_view open, std::string_view rest) {
  return rules_.literal(std::string(open) + mark_bytes(kDsmlMark) + std::string(rest));
}

Expr ToolWriter::argument(Expr name, bool is_string, Expr value) {
  return rules_.sequence({dsml("<", "parameter name=\""), name,
                          text(is_string ? "\" string=\"true\">" : "\" string=\"false\">"), value,
                          dsml("</", "parameter>")});
}

Expr ToolWriter::wrap(Expr calls) {
  switch (spec_.format) {
    case ToolFormat::kFenced:
    case ToolFormat::kPlain:
      return rules_.sequence({mark(kCallsBegin), calls, mark(kCallsEnd)});
    case ToolFormat::kDsml:
      return rules_.sequence({rules_.repeat(text("\n"), 0, 2), dsml("<", "function_calls>\n"),
                              calls, dsml("\n</", "function_calls>")});
    case ToolFormat::kChatMl:
      return calls;
  }
  return calls;
}

Expr ToolWriter::call(const Tool& tool, Expr arguments) {
  RegexArena& regexes = rules_.regexes();
  const Regex space = json_space(regexes);
  switch (spec_.format) {
    case ToolFormat::kFenced:
      return rules_.sequence({mark(kCallBegin), text("function"), mark(kToolSep),
                              text(tool.name + "\n```json\n"), arguments, text("\n```"),
                              mark(kCallEnd)});
    case ToolFormat::kPlain:
      return rules_.sequence(
          {mark(kCallBegin), text(tool.name), mark(kToolSep), arguments, mark(kCallEnd)});
    case ToolFormat::kDsml:
      return rules_.sequence(
          {dsml("<", "invoke name=\"" + tool.name + "\">\n"), arguments, dsml("\n</", "invoke>")});
    case ToolFormat::kChatMl:
      break;
  }
  const auto token = [&](std::string_view bytes) {
    return regexes.concat({space, regexes.literal(bytes), space});
  };
  const Regex before =
      regexes.concat({regexes.literal("{"), token("\"name\""), regexes.literal(":"),
                      token(io::write_json(io::JsonValue(tool.name))), regexes.literal(","),
                      token("\"arguments\""), regexes.literal(":"), space});
  return rules_.sequence({mark(kToolCallBegin), text("\n"), rules_.regex(before), arguments,
                          rules_.regex(regexes.concat(space, regexes.literal("}"))), text("\n"),
                          mark(kToolCallEnd)});
}

}  // namespace fathom::grammar
