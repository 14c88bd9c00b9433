// A chat answer as chunks: who reads what of them is in serving.md, 1.2.
#include <fmt/format.h>

#include <map>

#include "serve/api/chat/chat_reply.h"
#include "serve/api/event_stream.h"
#include "serve/api/sse.h"
#include "serve/api/token_text.h"
#include "serve/api/usage_json.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;

class ChatStream : public EventStream {
 public:
  ChatStream(ChatReply reply, std::unique_ptr<Run> run, std::string request_id)
      : EventStream(std::move(run), std::move(request_id)),
        reply_(std::move(reply)),
        progress_(reply_.options.stream, run_->num_prompts()) {
    io::JsonObject heading;
    add_heading(reply_, "chat.completion.chunk", heading);
    heading_ = io::write_json(heading);
    heading_.pop_back();
  }

 private:
  /// Parts of one kind that follow one another share a chunk.
  struct Pending {
    i64 choice = 0;
    std::string field;  // of the delta: "content"; empty: nothing is pending
    std::string text;
    i64 call = 0;
  };

  /// Whose chunk is to come: a token may have no text of its own.
  struct Tokens {
    io::JsonArray content_logprobs, reasoning_logprobs;
    std::string ids;
  };

  void open_stream() override {
    for (i64 choice = 0; choice < num_choices(); ++choice) {
      write_chunk(choice, R"({"role":"assistant","content":""})", "null");
    }
  }
  i64 num_choices() const { return run_->num_choices(); }

  void tell_progress() override {
    if (!reply_.options.stream.progress) return;
    const auto news = progress_.news(0, run_->usage());
    if (!news) return;
    write_chunk(0, "{}", "null", ",\"prompt_progress\":" + io::write_json(*news));
  }

  void token(const engine::Event& event, bool reasoning) override {
    tell_progress();  // the last of it stands before the first token
    Tokens& tokens = tokens_[event.choice];
    if (reply_.options.return_token_ids) {
      if (!tokens.ids.empty()) tokens.ids += ',';
      tokens.ids += std::to_string(event.id);
    }
    if (reply_.options.top_logprobs < 0) return;
    (reasoning ? tokens.reasoning_logprobs : tokens.content_logprobs)
        .push_back(chat_logprob(reply_.model, event, reply_.options.tokens_as_ids));
  }

  void part(i64 choice, const AnswerPart& part) override {
    switch (part.kind) {
      case AnswerPart::Kind::kReasoning:
        if (reply_.options.include_reasoning) add_text(choice, reply_.model.reasoning_field, part);
        break;
      case AnswerPart::Kind::kContent:
        add_text(choice, "content", part);
        break;
      case AnswerPart::Kind::kArguments:
        add_text(choice, "arguments", part);
        break;
      case AnswerPart::Kind::kCallBegin:
        begin_call(choice, part);
        break;
      case AnswerPart::Kind::kCallEnd:
        break;
    }
  }

  void begin_call(i64 choice, const AnswerPart& part) {
    flush();
    write_chunk(choice,
                fmt::format(R"({{"tool_calls":[{{"index":{},"id":"{}","type":"function",)"
                            R"("function":{{"name":{},"arguments":""}}}}]}})",
                            part.call, part.id, json_text(part.text)),
                "null");
  }

  void finish(const engine::Event& event, const Finish& finish) override {
    flush();
    if (finish.reason == Finish::Reason::kError) {
      append_data(io::write_json(openai_error(run_->failed(finish, request_id_))), *out_);
      failed_ = true;
      return;
    }
    reason_ = finish_name(finish.reason);
    const std::string stop = finish.stop_text.empty() ? "null" : json_text(finish.stop_text);
    write_chunk(event.choice, "{}", fmt::format(R"("{}","stop_reason":{})", reason_, stop));
  }

  void add_text(i64 choice, std::string_view field, const AnswerPart& part) {
    const bool same =
        pending_.field == field && pending_.choice == choice && pending_.call == part.call;
    if (!same) {
      flush();
      pending_ = {.choice = choice, .field = std::string(field), .text = {}, .call = part.call};
    }
    pending_.text += part.text;
  }

  void flush() override {
    if (pending_.field.empty()) return;
    const std::string text = json_text(pending_.text);
    std::string delta;
    if (pending_.field == "arguments") {
      delta = fmt::format(R"({{"tool_calls":[{{"index":{},"function":{{"arguments":{}}}}}]}})",
                          pending_.call, text);
    } else if (pending_.field == "both") {
      delta = fmt::format(R"({{"reasoning_content":{0},"reasoning":{0}}})", text);
    } else {
      delta = fmt::format(R"({{"{}":{}}})", pending_.field, text);
    }
    pending_.field.clear();
    write_chunk(pending_.choice, delta, "null");
  }

  static std::string logprobs_text(Tokens tokens) {
    if (tokens.content_logprobs.empty() && tokens.reasoning_logprobs.empty()) return "null";
    io::JsonObject object;
    object.set("content", std::move(tokens.content_logprobs));
    if (!tokens.reasoning_logprobs.empty()) {
      object.set("reasoning_content", std::move(tokens.reasoning_logprobs));
    }
    return io::write_json(object);
  }

  /// `reason`: of the finish, with what else the choice has behind it; `more`: of the chunk.
  void write_chunk(i64 choice, std::string_view delta, std::string_view reason,
                   std::string_view more = "") {
    Tokens tokens = std::exchange(tokens_[choice], {});
    const std::string ids = std::move(tokens.ids);
    std::string chunk =
        fmt::format(R"({},"choices":[{{"index":{},"delta":{},"logprobs":{},"finish_reason":{})",
                    heading_, choice, delta, logprobs_text(std::move(tokens)), reason);
    if (reply_.options.return_token_ids) chunk += fmt::format(R"(,"token_ids":[{}])", ids);
    chunk += "}]";
    chunk += more;
    append_data(chunk + chunk_counts(reply_.options.stream, *run_) + "}", *out_);
  }

  void end() override {
    if (!failed_) run_->finished(200, reason_);
    const Usage usage = run_->usage();
    if (!failed_ && reply_.options.stream.include_usage) {
      append_data(fmt::format(R"({},"choices":[],"usage":{},"timings":{},"x_fathom":{}}})",
                              heading_, io::write_json(openai_usage(usage)),
                              io::write_json(timings(usage)), io::write_json(own_facts(*run_))),
                  *out_);
    }
    append_data(kDone, *out_);
  }

  ChatReply reply_;
  PromptProgress progress_;
  std::string heading_;  // of every chunk, with its brace open
  Pending pending_;
  std::map<i64, Tokens> tokens_;  // by choice
  std::string reason_;
  bool failed_ = false;
};

}  // namespace

std::unique_ptr<http::BodyStream> stream_chat(ChatReply reply, std::unique_ptr<Run> run,
                                              const std::string& request_id) {
  return std::make_unique<ChatStream>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
