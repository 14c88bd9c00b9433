#pragma once
// What an answer has to be: OpenAI's response_format, and vLLM's and llama.cpp's names for it.
#include <optional>
#include <span>
#include <string>

#include "grammar/compile.h"
#include "serve/api/fields.h"
#include "serve/generate/served_model.h"

namespace fathom::serve {

struct AnswerFormat {
  grammar::GrammarSpec spec = {};  // kText: anything
  std::string field = {};          // that asks for it
};

/// Of dialects that have response_format, and of those that have vLLM's and llama.cpp's alone.
std::span<const FieldRule> answer_format_rules();
/// At most one member may ask for a form.
AnswerFormat read_answer_format(FieldReader& reader);
/// {"type": "json_schema", "json_schema": {...}}; `name` is the member. Responses' text.format has
/// the schema one level higher: `is_flat`.
void read_response_format(FieldReader& reader, std::string_view name, bool is_flat,
                          AnswerFormat& format);

/// Compiled, or taken from the model's cache. What a schema says in vain goes to `ignored`. Takes
/// up to the grammar's time: for worker threads.
ApiResult<std::shared_ptr<const grammar::Grammar>> compile_format(
    const ServedModel& model, const AnswerFormat& format, std::vector<std::string>& ignored);

}  // namespace fathom::serve
