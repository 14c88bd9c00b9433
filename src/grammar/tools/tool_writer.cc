#include "grammar/tools/tool_writer.h"

#include "grammar/match/control_token.h"
#include "grammar/regex/characters.h"
#include "io/json.h"
#include "tokenizer/chat/marks.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::grammar {

using tokenizer::kCallBegin;
using tokenizer::kCallEnd;
using tokenizer::kCallsBegin;
using tokenizer::kCallsEnd;
using tokenizer::kDsmlMark;
using tokenizer::kKimiArgumentsBegin;
using tokenizer::kKimiCallBegin;
using tokenizer::kKimiCallEnd;
using tokenizer::kKimiCallsBegin;
using tokenizer::kKimiCallsEnd;
using tokenizer::kToolCallBegin;
using tokenizer::kToolCallEnd;
using tokenizer::kToolSep;

namespace {

/// Kimi-K2 numbers the calls of a conversation.
Regex call_number(RegexArena& regexes) {
  const tokenizer::CodePointSet digits = tokenizer::CodePointSet::of(U"0123456789");
  return regexes.repeat(one_of(regexes, digits, Spelling::kUtf8), 1, 6);
}

}  // namespace

std::string ToolWriter::mark_bytes(std::string_view spelling) const {
  const std::string text(spelling);
  return spec_.tokens.contains(text) ? control_token(text) : text;
}

Regex ToolWriter::free_text() {
  RegexArena& regexes = rules_.regexes();
  const Regex any = any_text(regexes, Spelling::kUtf8);
  const Regex everything = regexes.everything();
  if (spec_.format == ToolFormat::kLlama) {
    const Regex space = json_space(regexes);
    return regexes.subtract(any, regexes.concat({space, regexes.literal("{"), space,
                                                 regexes.literal("\"name\""), everything}));
  }
  const std::string_view first = tokenizer::tool_marks(spec_.format).front();
  if (spec_.tokens.contains(std::string(first))) return any;  // text cannot spell it
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
    case ToolFormat::kKimi:
      return rules_.sequence({mark(kKimiCallsBegin), calls, mark(kKimiCallsEnd)});
    case ToolFormat::kChatMl:
    case ToolFormat::kLlama:
      return calls;
  }
  return calls;
}

Expr ToolWriter::separator() {
  const bool is_line = spec_.format != ToolFormat::kPlain && spec_.format != ToolFormat::kKimi;
  return text(is_line ? "\n" : "");
}

Expr ToolWriter::call(const Tool& tool, Expr arguments) {
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
    case ToolFormat::kKimi:
      return rules_.sequence({mark(kKimiCallBegin), text("functions." + tool.name + ":"),
                              rules_.regex(call_number(rules_.regexes())),
                              mark(kKimiArgumentsBegin), arguments, mark(kKimiCallEnd)});
    case ToolFormat::kChatMl:
      return rules_.sequence({mark(kToolCallBegin), text("\n"),
                              object_call(tool, "arguments", arguments), text("\n"),
                              mark(kToolCallEnd)});
    case ToolFormat::kLlama:
      break;
  }
  return object_call(tool, "parameters", arguments);
}

Expr ToolWriter::object_call(const Tool& tool, std::string_view arguments_key, Expr arguments) {
  RegexArena& regexes = rules_.regexes();
  const Regex space = json_space(regexes);
  const auto token = [&](std::string_view bytes) {
    return regexes.concat({space, regexes.literal(bytes), space});
  };
  const Regex before = regexes.concat(
      {regexes.literal("{"), token("\"name\""), regexes.literal(":"),
       token(io::write_json(io::JsonValue(tool.name))), regexes.literal(","),
       token(io::write_json(io::JsonValue(arguments_key))), regexes.literal(":"), space});
  return rules_.sequence(
      {rules_.regex(before), arguments, rules_.regex(regexes.concat(space, regexes.literal("}")))});
}

}  // namespace fathom::grammar
