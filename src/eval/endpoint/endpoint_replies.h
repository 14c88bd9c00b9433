#pragma once
// What servers answer. Internal to endpoint/.
#include <string>

#include "eval/model/language_model.h"
#include "io/json.h"

namespace fathom::eval {

/// Of a /completions reply with echo: the tokens from `context_tokens` on, without the one that was
/// generated. `count` tokens were sent. kInvalidInput names the field that is missing or wrong.
Result<TextScore> read_echo(const io::JsonValue& reply, i64 count, i64 context_tokens,
                            const std::string& where);

/// Of a /completions or /chat/completions reply: its text, cut at the first of `stop` if the server
/// left that in.
Result<GeneratedText> read_answer(const io::JsonValue& reply, bool chat,
                                  const std::vector<std::string>& stop, const std::string& where);

/// The message in a server's error, or the beginning of its body.
std::string error_text(const std::string& body);

}  // namespace fathom::eval
