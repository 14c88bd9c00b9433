#include "tokenizer/json/added_token_json.h"

#include <fmt/format.h>

#include <utility>

namespace fathom::tokenizer {

Result<void> read_added_token(const io::JsonValue& value, const std::string& place,
                              AddedToken& token) {
  Result<std::string> content = io::get_string(value, "content", place);
  if (!content) return tl::unexpected(content.error());
  token.content = std::move(*content);
  for (const auto& [key, flag] :
       {std::pair("single_word", &AddedToken::single_word),
        std::pair("lstrip", &AddedToken::lstrip), std::pair("rstrip", &AddedToken::rstrip),
        std::pair("normalized", &AddedToken::normalized),
        std::pair("special", &AddedToken::special)}) {
    const io::JsonValue* const given = value.find(key);
    if (given == nullptr || given->is_null()) continue;
    if (!given->is_bool()) {
      return invalid_input(fmt::format("{}: {}: expected true or false, found {}", place, key,
                                       io::describe(*given)));
    }
    token.*flag = given->as_bool();
  }
  return {};
}

}  // namespace fathom::tokenizer
