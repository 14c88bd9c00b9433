// An answer as the Responses API's events, in their order: what an item is comes before its pieces,
// and each piece is told where it belongs.
#include <fmt/format.h>

#include "serve/api/event_stream.h"
#include "serve/api/responses/responses_reply.h"
#include "serve/api/sse.h"
#include "serve/api/token_text.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;
using Kind = OutputItem::Kind;

class ResponseStream : public EventStream {
 public:
  ResponseStream(ResponsesReply reply, std::unique_ptr<Run> run, std::string request_id)
      : EventStream(std::move(run), std::move(request_id)),
        reply_(std::move(reply)),
        items_(reply_.tools) {}

 private:
  void event(std::string_view name, std::string_view members) {
    fmt::format_to(std::back_inserter(*out_),
                   "event: {0}\ndata: {{\"type\":\"{0}\",\"sequence_number\":{1},{2}}}\n\n", name,
                   number_++, members);
  }
  void response_event(std::string_view name, ResponseState state) {
    event(name, "\"response\":" + io::write_json(response_json(reply_, std::move(state))));
  }
  /// About the open item.
  void item_event(std::string_view name, std::string_view members = {}) {
    event(name, fmt::format(R"("item_id":"{}","output_index":{}{}{})", items_.last().id,
                            items_.size() - 1, members.empty() ? "" : ",", members));
  }
  void whole_item_event(std::string_view name) {
    event(name, fmt::format(R"("output_index":{},"item":{})", items_.size() - 1,
                            io::write_json(item_json(items_.last()))));
  }

  void open_stream() override {
    response_event("response.created", {});
    response_event("response.in_progress", {});
  }

  void token(const engine::Event& event, bool reasoning) override {
    if (reply_.top_logprobs < 0 || reasoning) return;
    logprobs_.push_back(chat_logprob(reply_.model, event, false));
  }

  void part(i64, const AnswerPart& part) override {
    if (items_.begins_item(part)) {
      close(true);
      open(part);
    }
    if (part.kind == AnswerPart::Kind::kCallEnd) {
      close(part.complete);
    } else if (part.kind != AnswerPart::Kind::kCallBegin) {
      pending_ += part.text;
    }
  }

  void open(const AnswerPart& part) {
    items_.open(part);
    whole_item_event("response.output_item.added");
    if (items_.last().kind != Kind::kMessage) return;
    item_event("response.content_part.added",
               R"("content_index":0,"part":)" + io::write_json(text_part("", {})));
  }

  /// The text that came for the open item. A custom tool's is told when it is whole: until then it
  /// is JSON.
  void flush() override {
    if (pending_.empty() || items_.last().kind == Kind::kCustomCall) return;
    const std::string text = json_text(pending_);
    switch (items_.last().kind) {
      case Kind::kReasoning:
        item_event("response.reasoning_text.delta",
                   fmt::format(R"("content_index":0,"delta":{})", text));
        break;
      case Kind::kMessage: {
        io::JsonArray logprobs = std::exchange(logprobs_, {});
        item_event("response.output_text.delta",
                   fmt::format(R"("content_index":0,"delta":{},"logprobs":{})", text,
                               io::write_json(logprobs)));
        io::JsonArray& all = items_.last().logprobs;
        all.insert(all.end(), logprobs.begin(), logprobs.end());
        break;
      }
      case Kind::kFunctionCall:
      case Kind::kCustomCall:
        item_event("response.function_call_arguments.delta", "\"delta\":" + text);
        break;
    }
    items_.last().text += std::exchange(pending_, {});
  }

  void close(bool complete) {
    if (!items_.is_open()) return;
    flush();
    OutputItem& item = items_.last();
    item.text += std::exchange(pending_, {});
    items_.close(complete);
    const std::string text = json_text(item.text);
    switch (item.kind) {
      case Kind::kReasoning:
        item_event("response.reasoning_text.done",
                   fmt::format(R"("content_index":0,"text":{})", text));
        break;
      case Kind::kMessage:
        item_event("response.output_text.done",
                   fmt::format(R"("content_index":0,"text":{},"logprobs":{})", text,
                               io::write_json(item.logprobs)));
        item_event(
            "response.content_part.done",
            R"("content_index":0,"part":)" + io::write_json(text_part(item.text, item.logprobs)));
        break;
      case Kind::kFunctionCall:
        item_event("response.function_call_arguments.done",
                   fmt::format(R"("name":{},"arguments":{})", json_text(item.tool.name), text));
        break;
      case Kind::kCustomCall: {
        const std::string input = json_text(custom_input(item.text));
        item_event("response.custom_tool_call_input.delta", "\"delta\":" + input);
        item_event("response.custom_tool_call_input.done", "\"input\":" + input);
        break;
      }
    }
    logprobs_.clear();
    whole_item_event("response.output_item.done");
  }

  void finish(const engine::Event&, const Finish& finish) override {
    close(finish.reason != Finish::Reason::kLength && finish.reason != Finish::Reason::kError);
    finish_ = finish;
  }

  void end() override {
    const Usage usage = run_->usage();
    if (finish_.reason == Finish::Reason::kError) {
      const ApiError error = run_->failed(finish_, request_id_);
      event("error", fmt::format(R"("code":"{}","message":{},"param":null)", error.code,
                                 json_text(error.message)));
      response_event(
          "response.failed",
          {.status = "failed", .output = items_.json(), .usage = &usage, .error = &error});
      return;
    }
    run_->finished(200, finish_name(finish_.reason));
    const bool is_cut = finish_.reason == Finish::Reason::kLength;
    response_event(is_cut ? "response.incomplete" : "response.completed",
                   {.status = is_cut ? "incomplete" : "completed",
                    .incomplete_reason = is_cut ? "max_output_tokens" : "",
                    .output = items_.json(),
                    .usage = &usage});
  }

  ResponsesReply reply_;
  OutputItems items_;
  std::string pending_;     // text of the open item, not told yet
  io::JsonArray logprobs_;  // of its tokens
  i64 number_ = 0;
  Finish finish_;
};

}  // namespace

std::unique_ptr<http::BodyStream> stream_response(ResponsesReply reply, std::unique_ptr<Run> run,
                                                  const std::string& request_id) {
  return std::make_unique<ResponseStream>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
