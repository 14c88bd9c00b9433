#include "serve/route/prompt_words.h"

#include <array>
#include <cstring>

#include "serve/api/fields.h"

namespace fathom::serve {
namespace {

/// In the order in which prompts have them.
constexpr std::array kPromptMembers = {
    std::string_view("tools"),        std::string_view("functions"), std::string_view("system"),
    std::string_view("instructions"), std::string_view("prompt"),    std::string_view("input"),
    std::string_view("messages"),
};

/// Of a text; what comes behind is no reason to go elsewhere.
constexpr size_t kMaxPromptBytes = size_t{1} << 20;

std::string prompt_text(const io::JsonObject& body) {
  std::string text;
  for (const std::string_view name : kPromptMembers) {
    const io::JsonValue* const member = body.find(name);
    if (member == nullptr) continue;
    // Texts as they are: their JSON would begin alike too, but end with a quote.
    text += member->is_string() ? member->as_string() : io::write_json(*member);
    if (text.size() > kMaxPromptBytes) text.resize(kMaxPromptBytes);
  }
  return text;
}

}  // namespace

PromptWords prompt_words(const http::Request& request) {
  PromptWords prompt;
  prompt.tenant = request.header("authorization").value_or("");
  prompt.tenant += request.header("x-api-key").value_or("");
  prompt.tenant += request.header("api-key").value_or("");
  if (request.body.empty()) return prompt;
  const auto body = read_body(request.body);
  if (!body) return prompt;
  const io::JsonObject& fields = body->as_object();
  if (const auto* salt = fields.find("cache_salt"); salt != nullptr && salt->is_string()) {
    prompt.salt = salt->as_string();
  }
  const std::string text = prompt_text(fields);
  prompt.words.resize(text.size() / sizeof(i32));
  if (!prompt.words.empty()) {
    std::memcpy(prompt.words.data(), text.data(), prompt.words.size() * sizeof(i32));
  }
  return prompt;
}

}  // namespace fathom::serve
