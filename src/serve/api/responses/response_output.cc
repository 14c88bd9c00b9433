#include "serve/api/responses/response_output.h"

#include "serve/api/call.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;
using Kind = OutputItem::Kind;

void add_tool(const OutputItem& item, io::JsonObject& object) {
  object.set("call_id", item.call_id);
  object.set("name", item.tool.name);
  if (!item.tool.name_space.empty()) object.set("namespace", item.tool.name_space);
}

io::JsonArray reasoning_content(const std::string& text) {
  if (text.empty()) return {};
  io::JsonObject part;
  part.set("type", "reasoning_text");
  part.set("text", text);
  return {io::JsonValue(std::move(part))};
}

}  // namespace

io::JsonObject text_part(std::string_view text, const io::JsonArray& logprobs) {
  io::JsonObject part;
  part.set("type", "output_text");
  part.set("text", text);
  part.set("annotations", io::JsonArray());
  part.set("logprobs", logprobs);
  return part;
}

std::string custom_input(const std::string& arguments) {
  const auto parsed = io::parse_json(arguments, "arguments");
  const io::JsonValue* const input = parsed ? parsed->find("input") : nullptr;
  return input != nullptr && input->is_string() ? input->as_string() : arguments;
}

io::JsonObject item_json(const OutputItem& item) {
  io::JsonObject object;
  object.set("id", item.id);
  const bool is_begun = item.status != "in_progress" || !item.text.empty();
  switch (item.kind) {
    case Kind::kReasoning:
      object.set("type", "reasoning");
      object.set("summary", io::JsonArray());
      object.set("content", reasoning_content(item.text));
      break;
    case Kind::kMessage: {
      io::JsonArray content;
      if (is_begun) content.push_back(text_part(item.text, item.logprobs));
      object.set("type", "message");
      object.set("role", "assistant");
      object.set("content", std::move(content));
      break;
    }
    case Kind::kFunctionCall:
      object.set("type", "function_call");
      add_tool(item, object);
      object.set("arguments", item.text);
      break;
    case Kind::kCustomCall:
      object.set("type", "custom_tool_call");
      add_tool(item, object);
      object.set("input", is_begun ? custom_input(item.text) : "");
      break;
  }
  object.set("status", item.status);
  return object;
}

bool OutputItems::begins_item(const AnswerPart& part) const {
  switch (part.kind) {
    case AnswerPart::Kind::kCallBegin:
      return true;
    case AnswerPart::Kind::kReasoning:
      return !is_open() || items_.back().kind != Kind::kReasoning;
    case AnswerPart::Kind::kContent:
      return !is_open() || items_.back().kind != Kind::kMessage;
    case AnswerPart::Kind::kArguments:
    case AnswerPart::Kind::kCallEnd:
      break;
  }
  return false;
}

void OutputItems::open(const AnswerPart& part) {
  OutputItem item;
  if (part.kind == AnswerPart::Kind::kReasoning) {
    item.kind = Kind::kReasoning;
    item.id = random_id("rs_");
  } else if (part.kind == AnswerPart::Kind::kContent) {
    item.id = random_id("msg_");
  } else {
    item.tool = client_name(tools_, part.text);
    item.kind = item.tool.is_custom ? Kind::kCustomCall : Kind::kFunctionCall;
    item.id = random_id(item.tool.is_custom ? "ctc_" : "fc_");
    item.call_id = part.id;
  }
  items_.push_back(std::move(item));
}

io::JsonArray OutputItems::json() const {
  io::JsonArray all;
  for (const OutputItem& item : items_) all.push_back(item_json(item));
  return all;
}

}  // namespace fathom::serve
