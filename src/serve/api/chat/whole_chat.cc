// A chat answer as one object.
#include "serve/api/chat/chat_reply.h"
#include "serve/api/token_text.h"
#include "serve/api/usage_json.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;

class WholeChat : public http::LateResponse, private GenerationSink {
 public:
  WholeChat(ChatReply reply, std::unique_ptr<Run> run, std::string request_id)
      : reply_(std::move(reply)),
        run_(std::move(run)),
        request_id_(std::move(request_id)),
        choices_(static_cast<size_t>(run_->num_choices())) {}

  void on_news(std::function<void()> wake) override { run_->on_news(wake); }

  std::optional<http::Response> poll() override {
    if (!run_->pump(0, *this)) return std::nullopt;
    return result();
  }

 private:
  struct Choice {
    tokenizer::Answer answer;
    io::JsonArray logprobs, reasoning_logprobs;
    std::vector<i32> token_ids;
    Finish finish;
  };

  Choice& at(i64 choice) { return choices_[static_cast<size_t>(choice)]; }

  void token(const engine::Event& event, bool reasoning) override {
    Choice& choice = at(event.choice);
    if (reply_.options.return_token_ids) choice.token_ids.push_back(event.id);
    if (reply_.options.top_logprobs < 0) return;
    (reasoning ? choice.reasoning_logprobs : choice.logprobs)
        .push_back(chat_logprob(reply_.model, event, reply_.options.tokens_as_ids));
  }
  void part(i64 choice, const AnswerPart& part) override { add(part, at(choice).answer); }
  void finish(const engine::Event& event, const Finish& finish) override {
    at(event.choice).finish = finish;
  }

  http::Response result() {
    for (const Choice& choice : choices_) {
      if (choice.finish.reason != Finish::Reason::kError) continue;
      return openai_error_response(run_->failed(choice.finish, request_id_), request_id_);
    }
    run_->finished(200, finish_name(choices_.front().finish.reason));
    const Usage usage = run_->usage();
    io::JsonObject body;
    add_heading(reply_, "chat.completion", body);
    io::JsonArray choices;
    for (size_t i = 0; i < choices_.size(); ++i) {
      choices.push_back(choice_json(static_cast<i64>(i), choices_[i]));
    }
    body.set("choices", std::move(choices));
    body.set("usage", openai_usage(usage));
    body.set("timings", timings(usage));
    body.set("x_fathom", own_facts(*run_));
    if (reply_.options.return_token_ids) {
      body.set("prompt_token_ids",
               io::JsonArray(reply_.prompt_ids.begin(), reply_.prompt_ids.end()));
    }
    return json_response(std::move(body));
  }

  io::JsonObject choice_json(i64 index, Choice& choice) const {
    io::JsonObject object;
    object.set("index", index);
    object.set("message", message_json(choice.answer));
    object.set("logprobs", logprobs_json(choice));
    object.set("finish_reason", finish_name(choice.finish.reason));
    if (!choice.finish.stop_text.empty()) object.set("stop_reason", choice.finish.stop_text);
    if (reply_.options.return_token_ids) {
      object.set("token_ids", io::JsonArray(choice.token_ids.begin(), choice.token_ids.end()));
    }
    return object;
  }

  io::JsonObject message_json(const tokenizer::Answer& answer) const {
    io::JsonObject message;
    message.set("role", "assistant");
    // "" rather than null: evaluations and others fail on null.
    const bool only_calls = answer.content.empty() && !answer.tool_calls.empty();
    message.set("content", only_calls ? io::JsonValue() : io::JsonValue(answer.content));
    if (!answer.reasoning.empty() && reply_.options.include_reasoning) {
      const std::string& field = reply_.model.reasoning_field;
      if (field != "reasoning") message.set("reasoning_content", answer.reasoning);
      if (field != "reasoning_content") message.set("reasoning", answer.reasoning);
    }
    if (!answer.tool_calls.empty()) message.set("tool_calls", calls_json(answer));
    message.set("refusal", io::JsonValue());
    return message;
  }

  static io::JsonArray calls_json(const tokenizer::Answer& answer) {
    io::JsonArray calls;
    for (const tokenizer::ToolCall& call : answer.tool_calls) {
      io::JsonObject function, object;
      function.set("name", call.name);
      function.set("arguments", call.arguments);
      object.set("id", call.id);
      object.set("type", "function");
      object.set("function", std::move(function));
      calls.push_back(std::move(object));
    }
    return calls;
  }

  io::JsonValue logprobs_json(Choice& choice) const {
    if (reply_.options.top_logprobs < 0) return {};
    io::JsonObject object;
    object.set("content", std::move(choice.logprobs));
    if (!choice.reasoning_logprobs.empty()) {
      object.set("reasoning_content", std::move(choice.reasoning_logprobs));
    }
    object.set("refusal", io::JsonValue());
    return object;
  }

  ChatReply reply_;
  std::unique_ptr<Run> run_;
  std::string request_id_;
  std::vector<Choice> choices_;
};

}  // namespace

std::unique_ptr<http::LateResponse> whole_chat(ChatReply reply, std::unique_ptr<Run> run,
                                               const std::string& request_id) {
  return std::make_unique<WholeChat>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
