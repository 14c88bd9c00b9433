// An answer as one message.
#include "serve/api/messages/anthropic_error.h"
#include "serve/api/messages/messages_reply.h"

namespace fathom::serve {
namespace {

using io::JsonValue;
using tokenizer::AnswerPart;

class WholeMessage : public http::LateResponse, private GenerationSink {
 public:
  WholeMessage(MessagesReply reply, std::unique_ptr<Run> run, std::string request_id)
      : reply_(std::move(reply)), run_(std::move(run)), request_id_(std::move(request_id)) {}

  void on_news(std::function<void()> wake) override { run_->on_news(wake); }

  std::optional<http::Response> poll() override {
    if (!run_->pump(0, *this)) return std::nullopt;
    return result();
  }

 private:
  struct Block {
    AnswerPart::Kind kind;  // kReasoning, kContent, or kCallBegin with its arguments in `text`
    std::string id, name, text;
  };

  void token(const engine::Event&, bool) override {}

  void part(i64, const AnswerPart& part) override {
    switch (part.kind) {
      case AnswerPart::Kind::kCallBegin:
        blocks_.push_back({part.kind, part.id, part.text, {}});
        break;
      case AnswerPart::Kind::kArguments:
        blocks_.back().text += part.text;
        break;
      case AnswerPart::Kind::kCallEnd:
        break;
      case AnswerPart::Kind::kReasoning:
      case AnswerPart::Kind::kContent:
        if (blocks_.empty() || blocks_.back().kind != part.kind) {
          blocks_.push_back({part.kind, {}, {}, {}});
        }
        blocks_.back().text += part.text;
    }
  }

  void finish(const engine::Event&, const Finish& finish) override { finish_ = finish; }

  static io::JsonObject block_json(const Block& block) {
    io::JsonObject object;
    if (block.kind == AnswerPart::Kind::kReasoning) {
      object.set("type", "thinking");
      object.set("thinking", block.text);
      object.set("signature", random_id(""));
    } else if (block.kind == AnswerPart::Kind::kContent) {
      object.set("type", "text");
      object.set("text", block.text);
    } else {
      // Arguments that were cut, or are no JSON, cannot stand in a message.
      auto input = io::parse_json(block.text, "input");
      object.set("type", "tool_use");
      object.set("id", block.id);
      object.set("name", block.name);
      object.set("input", input && input->is_object() ? *std::move(input) : io::JsonObject());
    }
    return object;
  }

  http::Response result() {
    if (finish_.reason == Finish::Reason::kError) {
      return anthropic_error_response(run_->failed(finish_, request_id_), request_id_);
    }
    run_->finished(200, finish_name(finish_.reason));
    io::JsonArray content;
    for (const Block& block : blocks_) content.push_back(block_json(block));
    io::JsonObject message = message_heading(reply_, std::move(content));
    for (auto& [name, value] : stop_members(reply_, finish_)) message.set(name, value);
    message.set("usage", anthropic_usage(run_->usage()));
    http::Response response = json_response(std::move(message));
    response.headers.push_back({"request-id", request_id_});
    return response;
  }

  MessagesReply reply_;
  std::unique_ptr<Run> run_;
  std::string request_id_;
  std::vector<Block> blocks_;
  Finish finish_;
};

}  // namespace

std::unique_ptr<http::LateResponse> whole_message(MessagesReply reply, std::unique_ptr<Run> run,
                                                  const std::string& request_id) {
  return std::make_unique<WholeMessage>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
