#pragma once
// The items of an answer.
#include <string>
#include <vector>

#include "serve/api/responses/response_tools.h"
#include "tokenizer/chat/answer/answer.h"

namespace fathom::serve {

struct OutputItem {
  enum class Kind { kReasoning, kMessage, kFunctionCall, kCustomCall };
  Kind kind = Kind::kMessage;
  std::string id, call_id;  // "msg_...", "call_..."
  ToolName tool = {};
  std::string text = {};               // thought, content, arguments
  io::JsonArray logprobs = {};         // of a message
  std::string status = "in_progress";  // or "completed", "incomplete"
};

/// The item as it stands in a response and in the events about it.
io::JsonObject item_json(const OutputItem& item);
/// {"type": "output_text", ...}
io::JsonObject text_part(std::string_view text, const io::JsonArray& logprobs);
/// What a custom tool is given: the argument "input" of `arguments`, or all of it.
std::string custom_input(const std::string& arguments);

/// Makes items of an answer's parts.
class OutputItems {
 public:
  explicit OutputItems(ToolNames tools) : tools_(std::move(tools)) {}

  /// Whether the part begins an item, which add() then opens.
  bool begins_item(const tokenizer::AnswerPart& part) const;
  /// Whether the part ends the open item, or another one begins.
  bool is_open() const { return !items_.empty() && items_.back().status == "in_progress"; }
  void open(const tokenizer::AnswerPart& part);
  void close(bool complete) { items_.back().status = complete ? "completed" : "incomplete"; }
  OutputItem& last() { return items_.back(); }
  i64 size() const { return static_cast<i64>(items_.size()); }
  io::JsonArray json() const;

 private:
  ToolNames tools_;
  std::vector<OutputItem> items_;
};

}  // namespace fathom::serve
