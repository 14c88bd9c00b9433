// Definitions of tools. The Jinja templates of V2.5 to V3.2-Exp do not look at them: DeepSeek's
// model cards tell the caller to put them into the system text, which is done here in the cards'
// words. What a client wrote stays plain text; only the cards' own example holds control tokens.
#include "io/json.h"
#include "tokenizer/chat/json.h"
#include "tokenizer/chat/render/render.h"

namespace fathom::tokenizer {
namespace {

/// The member's JSON text of a tool's "function", empty if absent.
struct FunctionText {
  std::string whole;  // python_json of the function
  std::string name, description, parameters = "{}";
};

FunctionText function_of(const std::string& tool) {
  FunctionText function;
  for (const PythonMember& member : python_members(tool)) {
    if (member.key == "function") function.whole = member.value;
  }
  for (PythonMember& member : python_members(function.whole)) {
    if (member.key == "name") function.name = std::move(member.value);
    if (member.key == "description" && member.is_string) {
      function.description = std::move(member.value);
    }
    if (member.key == "parameters") function.parameters = std::move(member.value);
  }
  return function;
}

}  // namespace

void write_markdown_tools(const ChatRequest& request, bool after_text, PromptWriter& out) {
  if (request.tools.empty()) return;
  if (after_text) out.text("\n\n");
  out.text("## Tools\n\n### Function\n\nYou have the following functions available:\n");
  for (const std::string& tool : request.tools) {
    const FunctionText function = function_of(tool);
    out.text("\n- `").text(function.name).text("`:\n```json\n");
    out.text(python_json(function.whole, 4)).text("\n```");
  }
}

void write_hybrid_tools(const ChatRequest& request, bool after_text, PromptWriter& out) {
  if (request.tools.empty()) return;
  if (after_text) out.text("\n\n");
  out.text("## Tools\nYou have access to the following tools:\n");
  for (const std::string& tool : request.tools) {
    const FunctionText function = function_of(tool);
    out.text("\n### ").text(function.name);
    out.text("\nDescription: ").text(function.description);
    out.text("\n\nParameters: ").text(function.parameters).text("\n");
  }
  out.text("\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n");
  out.token(kCallsBegin).token(kCallBegin).text("tool_call_name").token(kToolSep);
  out.text("tool_call_arguments").token(kCallEnd).text("{additional_tool_calls}").token(kCallsEnd);
  out.text(
      "\n\nWhere:\n"
      "- `tool_call_name` must be an exact match to one of the available tools\n"
      "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters "
      "Schema\n"
      "- For multiple tool calls, chain them directly without separators or spaces");
}

void write_dsml_tools(const ChatRequest& request, PromptWriter& out) {
  // "{D}" stands for the token ｜DSML｜, "{T}" and "{/T}" for the thought's marks.
  constexpr std::string_view kBeforeSchemas =
      "\n\n## Tools\n\n"
      "You have access to a set of tools you can use to answer the user's question.\n"
      "You can invoke functions by writing a \"<{D}function_calls>\" block like the following as "
      "part of your reply to the user:\n"
      "<{D}function_calls>\n"
      "<{D}invoke name=\"$FUNCTION_NAME\">\n"
      "<{D}parameter name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE</{D}parameter>"
      "\n...\n"
      "</{D}invoke>\n"
      "<{D}invoke name=\"$FUNCTION_NAME2\">\n"
      "...\n"
      "</{D}invoke>\n"
      "</{D}function_calls>\n\n"
      "String and scalar parameters should be specified as is without any escaping or quotes, "
      "while lists and objects should use JSON format. The \"string\" attribute should be set to "
      "\"true\" for string type parameters and \"false\" for other types (numbers, booleans, "
      "arrays, objects).\n\n"
      "If the thinking_mode is enabled, then after function results you should strongly consider "
      "outputting a thinking block. Here is an example:\n\n"
      "<{D}function_calls>\n"
      "...\n"
      "</{D}function_calls>\n\n"
      "<function_results>\n"
      "...\n"
      "</function_results>\n\n"
      "{T}...thinking about results{/T}\n\n"
      "Here are the functions available in JSONSchema format:\n"
      "<functions>\n";
  std::string_view rest = kBeforeSchemas;
  while (!rest.empty()) {
    const size_t mark = rest.find('{');
    out.text(rest.substr(0, mark));
    if (mark == std::string_view::npos) break;
    const size_t end = rest.find('}', mark);
    const std::string_view name = rest.substr(mark + 1, end - mark - 1);
    out.token(name == "D" ? kDsmlMark : name == "T" ? kThinkBegin : kThinkEnd);
    rest.remove_prefix(end + 1);
  }
  for (const std::string& tool : request.tools) out.text(function_of(tool).whole).text("\n");
  out.text("</functions>\n");
}

}  // namespace fathom::tokenizer
