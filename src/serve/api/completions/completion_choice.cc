#include "serve/api/completions/completion_choice.h"

namespace fathom::serve {

io::JsonObject CompletionChoice::take(const CompletionOptions& options) {
  io::JsonObject object;
  object.set("index", index);
  object.set("text", std::exchange(text, {}));
  object.set("logprobs", options.logprobs >= 0 && !logprobs.empty() ? io::JsonValue(logprobs.take())
                                                                    : io::JsonValue());
  object.set("finish_reason",
             finish ? io::JsonValue(finish_name(finish->reason)) : io::JsonValue());
  if (finish && !finish->stop_text.empty()) object.set("stop_reason", finish->stop_text);
  if (options.return_token_ids) {
    object.set("token_ids", io::JsonArray(token_ids.begin(), token_ids.end()));
    token_ids.clear();
  }
  finish.reset();
  return object;
}

CompletionSink::CompletionSink(const CompletionReply& reply, size_t prompt, i64 num_choices)
    : options_(reply.options) {
  const CompletionPrompt& given = reply.prompts[prompt];
  for (i64 i = 0; i < num_choices; ++i) {
    CompletionChoice& choice =
        choices.emplace_back(reply, static_cast<i64>(prompt) * num_choices + i);
    if (!options_.echo) continue;
    choice.text = given.text;
    if (options_.logprobs >= 0) choice.logprobs.add_first(given.ids.front());
  }
}

/// Once for all choices.
void CompletionSink::prompt_token(const engine::Event& event) {
  for (CompletionChoice& choice : choices) choice.logprobs.add(event);
}

void CompletionSink::add(CompletionChoice& choice, const engine::Event& event) const {
  if (options_.logprobs >= 0) choice.logprobs.add(event);
  if (options_.return_token_ids) choice.token_ids.push_back(event.id);
}

void CompletionSink::token(const engine::Event& event, bool) { add(at(event.choice), event); }

void CompletionSink::part(i64 choice, const tokenizer::AnswerPart& part) {
  at(choice).text += part.text;
}

void CompletionSink::finish(const engine::Event& end, const Finish& finish) {
  if (end.id >= 0) add(at(end.choice), end);  // evaluations count on an entry of it too
  at(end.choice).finish = finish;
}

}  // namespace fathom::serve
