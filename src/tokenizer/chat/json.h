#pragma once
// JSON as Python's json.dumps(json.loads(text), ensure_ascii=False) writes it: the templates put
// tool schemas and arguments into prompts that way, and models saw exactly those spaces. Works on
// the text and not on a tree of values, so that long integers stay exact.
//
// Not a validator: the text must have passed io::parse_json.
#include <string>
#include <string_view>
#include <vector>

namespace fathom::tokenizer {

/// indent 0: one line with ", " and ": "; otherwise lines indented by that many spaces.
std::string python_json(std::string_view valid_json, int indent = 0);

struct PythonMember {
  std::string key;
  bool is_string = false;
  std::string value;  // a string's characters, or python_json of anything else
};
/// The members of an object in the order of the text.
std::vector<PythonMember> python_members(std::string_view valid_json_object);

}  // namespace fathom::tokenizer
