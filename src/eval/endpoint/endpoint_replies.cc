#include "eval/endpoint/endpoint_replies.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonValue;

Result<const JsonValue*> first_choice(const JsonValue& reply, const std::string& where) {
  const Result<const JsonArray*> choices = io::get_array(reply, "choices", where);
  if (!choices) return tl::unexpected(choices.error());
  if ((*choices)->empty()) return invalid_input(where + ": choices: is empty");
  return &(*choices)->front();
}

/// Is the token's own number the largest of its object? Servers print the same digits for both.
bool is_largest(const JsonValue& tops, double own) {
  if (!tops.is_object()) return false;
  return std::ranges::all_of(tops.as_object(), [own](const io::JsonMember& each) {
    return !each.second.is_number() || each.second.as_number() <= own;
  });
}

}  // namespace

Result<TextScore> read_echo(const JsonValue& reply, i64 count, i64 context_tokens,
                            const std::string& where) {
  const Result<const JsonValue*> choice = first_choice(reply, where);
  if (!choice) return tl::unexpected(choice.error());
  const Result<const io::JsonObject*> log_probs = io::get_object(**choice, "logprobs", where);
  if (!log_probs) {
    return invalid_input(fmt::format("{}; the server must answer echo with log-probabilities",
                                     log_probs.error().message()));
  }
  const JsonValue* const object = (*choice)->find("logprobs");
  const auto numbers = io::get_array(*object, "token_logprobs", where + ": logprobs");
  if (!numbers) return tl::unexpected(numbers.error());
  const auto tops = io::get_array(*object, "top_logprobs", where + ": logprobs");
  if (!tops) return tl::unexpected(tops.error());
  if (std::ssize(**numbers) < count || std::ssize(**tops) < count) {
    return invalid_input(fmt::format("{}: logprobs: {} tokens were sent, {} came back", where,
                                     count, std::min((*numbers)->size(), (*tops)->size())));
  }
  TextScore score{.tokens = count - context_tokens, .greedy = true};
  for (auto i = static_cast<size_t>(context_tokens); i < static_cast<size_t>(count); ++i) {
    const JsonValue& number = (**numbers)[i];
    if (!number.is_number()) {
      return invalid_input(
          fmt::format("{}: logprobs: token_logprobs[{}]: expected a number, found {}", where, i,
                      io::describe(number)));
    }
    score.log_prob += number.as_number();
    score.greedy = score.greedy && is_largest((**tops)[i], number.as_number());
  }
  return score;
}

Result<GeneratedText> read_answer(const JsonValue& reply, bool chat,
                                  const std::vector<std::string>& stop, const std::string& where) {
  const Result<const JsonValue*> choice = first_choice(reply, where);
  if (!choice) return tl::unexpected(choice.error());
  GeneratedText answer;
  const JsonValue* holder = *choice;
  if (chat) {
    const auto message = io::get_object(**choice, "message", where);
    if (!message) return tl::unexpected(message.error());
    holder = (*choice)->find("message");
  }
  const char* const key = chat ? "content" : "text";
  const JsonValue* const text = holder->find(key);
  if (text != nullptr && !text->is_null()) {  // a chat may answer with a thought alone
    Result<std::string> words = io::get_string(*holder, key, where);
    if (!words) return tl::unexpected(words.error());
    answer.text = std::move(*words);
  } else if (!chat) {
    return invalid_input(where + ": choices[0]: text is missing");
  }
  for (const std::string& each : stop) {
    if (!each.empty()) answer.text = answer.text.substr(0, answer.text.find(each));
  }
  const JsonValue* const reason = (*choice)->find("finish_reason");
  answer.complete = reason != nullptr && reason->is_string() && reason->as_string() == "stop";
  const JsonValue* const usage = reply.find("usage");
  const JsonValue* const tokens = usage == nullptr ? nullptr : usage->find("completion_tokens");
  if (tokens != nullptr && tokens->is_integer()) answer.tokens = tokens->as_integer();
  return answer;
}

std::string error_text(const std::string& body) {
  constexpr size_t kShown = 300;
  const Result<JsonValue> parsed = io::parse_json(body, "reply");
  if (parsed) {
    const JsonValue* const error = parsed->find("error");
    const JsonValue* const message = error == nullptr     ? parsed->find("message")
                                     : error->is_string() ? error
                                                          : error->find("message");
    if (message != nullptr && message->is_string()) return printable(message->as_string());
  }
  return printable(std::string_view(body).substr(0, kShown));
}

}  // namespace fathom::eval
