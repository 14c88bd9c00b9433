// An answer as Anthropic's events: one block at a time, each with its start, deltas and stop.
#include <fmt/format.h>

#include <optional>

#include "serve/api/event_stream.h"
#include "serve/api/messages/anthropic_error.h"
#include "serve/api/messages/messages_reply.h"
#include "serve/api/sse.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;

class MessageStream : public EventStream {
 public:
  MessageStream(MessagesReply reply, std::unique_ptr<Run> run, std::string request_id)
      : EventStream(std::move(run), std::move(request_id)), reply_(std::move(reply)) {}

  std::string_view keep_alive() const override {
    return "event: ping\ndata: {\"type\":\"ping\"}\n\n";
  }

 private:
  void event(std::string_view name, std::string_view members) {
    fmt::format_to(std::back_inserter(*out_), "event: {0}\ndata: {{\"type\":\"{0}\"{1}{2}}}\n\n",
                   name, members.empty() ? "" : ",", members);
  }

  /// Once the request runs: what it found in the cache is known then.
  void begin() {
    if (begun_) return;
    begun_ = true;
    io::JsonObject message = message_heading(reply_, {});
    Usage usage = run_->usage();
    usage.completion_tokens = 0;
    message.set("usage", anthropic_usage(usage));
    event("message_start", "\"message\":" + io::write_json(message));
  }

  void token(const engine::Event&, bool) override { begin(); }

  void part(i64, const AnswerPart& part) override {
    begin();
    switch (part.kind) {
      case AnswerPart::Kind::kCallBegin:
        open(part.kind, fmt::format(R"({{"type":"tool_use","id":"{}","name":{},"input":{{}}}})",
                                    part.id, json_text(part.text)));
        break;
      case AnswerPart::Kind::kCallEnd:
        close();
        break;
      case AnswerPart::Kind::kArguments:
        text_ += part.text;
        break;
      case AnswerPart::Kind::kReasoning:
        if (open_ != part.kind) {
          open(part.kind, R"({"type":"thinking","thinking":"","signature":""})");
        }
        text_ += part.text;
        break;
      case AnswerPart::Kind::kContent:
        if (open_ != part.kind) open(part.kind, R"({"type":"text","text":""})");
        text_ += part.text;
        break;
    }
  }

  void open(AnswerPart::Kind kind, std::string_view block) {
    close();
    open_ = kind;
    event("content_block_start", fmt::format(R"("index":{},"content_block":{})", index_, block));
  }

  void delta(std::string_view type, std::string_view member, std::string_view text) {
    event("content_block_delta", fmt::format(R"("index":{},"delta":{{"type":"{}","{}":{}}})",
                                             index_, type, member, json_text(text)));
  }

  /// The text that came for the open block.
  void flush() override {
    if (text_.empty()) return;
    if (open_ == AnswerPart::Kind::kReasoning) {
      delta("thinking_delta", "thinking", text_);
    } else if (open_ == AnswerPart::Kind::kContent) {
      delta("text_delta", "text", text_);
    } else {
      delta("input_json_delta", "partial_json", text_);
    }
    text_.clear();
  }

  void close() {
    if (!open_) return;
    flush();
    if (open_ == AnswerPart::Kind::kReasoning) {
      delta("signature_delta", "signature", random_id(""));
    }
    event("content_block_stop", fmt::format(R"("index":{})", index_++));
    open_.reset();
  }

  void finish(const engine::Event&, const Finish& finish) override {
    begin();
    close();
    finish_ = finish;
  }

  void end() override {
    if (finish_.reason == Finish::Reason::kError) {
      const std::string error =
          io::write_json(anthropic_error(run_->failed(finish_, request_id_), request_id_));
      *out_ += "event: error\n";
      append_data(error, *out_);
      return;
    }
    run_->finished(200, finish_name(finish_.reason));
    event("message_delta",
          fmt::format(R"("delta":{},"usage":{})", io::write_json(stop_members(reply_, finish_)),
                      io::write_json(anthropic_usage(run_->usage()))));
    event("message_stop", "");
  }

  MessagesReply reply_;
  std::optional<AnswerPart::Kind> open_;  // of the block that is being written
  std::string text_;                      // of it, not written yet
  i64 index_ = 0;
  bool begun_ = false;
  Finish finish_;
};

}  // namespace

std::unique_ptr<http::BodyStream> stream_message(MessagesReply reply, std::unique_ptr<Run> run,
                                                 const std::string& request_id) {
  return std::make_unique<MessageStream>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
