// An answer as one response.
#include "serve/api/responses/responses_reply.h"
#include "serve/api/token_text.h"

namespace fathom::serve {
namespace {

using tokenizer::AnswerPart;

class WholeResponse : public http::LateResponse, private GenerationSink {
 public:
  WholeResponse(ResponsesReply reply, std::unique_ptr<Run> run, std::string request_id)
      : reply_(std::move(reply)),
        run_(std::move(run)),
        request_id_(std::move(request_id)),
        items_(reply_.tools) {}

  void on_news(std::function<void()> wake) override { run_->on_news(wake); }

  std::optional<http::Response> poll() override {
    if (!run_->pump(0, *this)) return std::nullopt;
    return result();
  }

 private:
  void token(const engine::Event& event, bool reasoning) override {
    if (reply_.top_logprobs < 0 || reasoning) return;
    logprobs_.push_back(chat_logprob(reply_.model, event, false));
  }

  void part(i64, const AnswerPart& part) override {
    if (items_.begins_item(part)) {
      close(true);
      items_.open(part);
    }
    if (part.kind == AnswerPart::Kind::kCallEnd) {
      items_.close(part.complete);
    } else if (part.kind != AnswerPart::Kind::kCallBegin) {
      items_.last().text += part.text;
    }
  }

  void close(bool complete) {
    if (!items_.is_open()) return;
    if (items_.last().kind == OutputItem::Kind::kMessage) {
      items_.last().logprobs = std::exchange(logprobs_, {});
    }
    items_.close(complete);
  }

  void finish(const engine::Event&, const Finish& finish) override {
    close(finish.reason != Finish::Reason::kLength);
    finish_ = finish;
  }

  http::Response result() {
    if (finish_.reason == Finish::Reason::kError) {
      return openai_error_response(run_->failed(finish_, request_id_), request_id_);
    }
    run_->finished(200, finish_name(finish_.reason));
    const Usage usage = run_->usage();
    const bool is_cut = finish_.reason == Finish::Reason::kLength;
    return json_response(
        response_json(reply_, {.status = is_cut ? "incomplete" : "completed",
                               .incomplete_reason = is_cut ? "max_output_tokens" : "",
                               .output = items_.json(),
                               .usage = &usage}));
  }

  ResponsesReply reply_;
  std::unique_ptr<Run> run_;
  std::string request_id_;
  OutputItems items_;
  io::JsonArray logprobs_;  // of the open message
  Finish finish_;
};

}  // namespace

std::unique_ptr<http::LateResponse> whole_response(ResponsesReply reply, std::unique_ptr<Run> run,
                                                   const std::string& request_id) {
  return std::make_unique<WholeResponse>(std::move(reply), std::move(run), request_id);
}

}  // namespace fathom::serve
