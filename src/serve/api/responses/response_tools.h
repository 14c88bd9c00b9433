#pragma once
// Tools of the Responses API and what the model sees of them: functions alone.
#include <map>
#include <string>

#include "serve/api/fields.h"
#include "serve/generate/conversation.h"

namespace fathom::serve {

/// A function as the client knows it.
struct ToolName {
  std::string name;
  std::string name_space = {};  // of a tool inside a namespace
  bool is_custom = false;       // takes a text, which the model writes as the argument "input"
};
/// By the name that the model sees.
using ToolNames = std::map<std::string, ToolName>;

/// The name for the model: that of the namespace comes first.
std::string flat_name(const ToolName& tool);
/// The client's name of what the model called.
ToolName client_name(const ToolNames& tools, const std::string& flat);

/// `tools` and `tool_choice`. Tools that OpenAI's servers run are left out, and named in `ignored`.
ToolNames read_response_tools(FieldReader& reader, Conversation& conversation);

}  // namespace fathom::serve
