#include "serve/api/completions/completion_reply.h"

#include <fmt/format.h>

#include <algorithm>

#include "serve/api/completions/completion_choice.h"
#include "serve/api/sse.h"
#include "serve/api/usage_json.h"

namespace fathom::serve {
namespace {

/// The results of all prompts of a request.
class Results {
 public:
  Results(CompletionReply given, std::unique_ptr<Run> given_run, std::string given_id)
      : reply(std::move(given)), run(std::move(given_run)), request_id(std::move(given_id)) {
    for (size_t i = 0; i < run->num_prompts(); ++i) {
      sinks.emplace_back(reply, i, run->num_choices());
    }
  }

  /// True: nothing more will come.
  bool pump() {
    for (size_t i = 0; i < sinks.size(); ++i) run->pump(i, sinks[i]);
    return run->done();
  }

  io::JsonObject heading() const {
    io::JsonObject object;
    object.set("id", reply.id);
    object.set("object", "text_completion");
    object.set("created", reply.created);
    object.set("model", reply.options.model.name);
    object.set("system_fingerprint", reply.model.fingerprint);
    return object;
  }

  /// The error of the first choice that has one, to be told in its place.
  std::optional<ApiError> error() {
    for (const CompletionSink& sink : sinks) {
      for (const CompletionChoice& choice : sink.choices) {
        if (!choice.finish || choice.finish->reason != Finish::Reason::kError) continue;
        return run->failed(*choice.finish, request_id);
      }
    }
    return std::nullopt;
  }

  CompletionReply reply;
  std::unique_ptr<Run> run;
  std::string request_id;
  std::vector<CompletionSink> sinks;
};

class WholeCompletion : public http::LateResponse {
 public:
  explicit WholeCompletion(Results results) : results_(std::move(results)) {}

  void on_news(std::function<void()> wake) override { results_.run->on_news(wake); }

  std::optional<http::Response> poll() override {
    if (!results_.pump()) return std::nullopt;
    if (const auto error = results_.error()) {
      return openai_error_response(*error, results_.request_id);
    }
    const std::string_view reason =
        finish_name(results_.sinks.front().choices.front().finish->reason);
    results_.run->finished(200, reason);
    io::JsonArray choices;
    for (CompletionSink& sink : results_.sinks) {
      for (CompletionChoice& choice : sink.choices) {
        choices.push_back(choice.take(results_.reply.options));
      }
    }
    io::JsonObject body = results_.heading();
    body.set("choices", std::move(choices));
    body.set("usage", openai_usage(results_.run->usage()));
    body.set("timings", timings(results_.run->usage()));
    return json_response(std::move(body));
  }

 private:
  Results results_;
};

class CompletionStream : public http::BodyStream {
 public:
  explicit CompletionStream(Results results)
      : results_(std::move(results)),
        progress_(results_.reply.options.stream, results_.run->num_prompts()) {
    heading_ = io::write_json(results_.heading());
    heading_.pop_back();
  }

  void on_news(std::function<void()> wake) override { results_.run->on_news(wake); }

  State pull(std::string& out) override {
    const bool done = results_.pump();
    if (const auto error = results_.error()) {
      append_data(io::write_json(openai_error(*error)), out);
      append_data(kDone, out);
      return State::kEnd;
    }
    tell_progress(out);
    for (CompletionSink& sink : results_.sinks) {
      for (CompletionChoice& choice : sink.choices) {
        if (choice.has_news()) write(choice, out);
      }
    }
    if (!done) return State::kMore;
    end(out);
    return State::kEnd;
  }

 private:
  void write(CompletionChoice& choice, std::string& out) {
    if (choice.finish) reason_ = finish_name(choice.finish->reason);
    write_chunk(io::write_json(choice.take(results_.reply.options)), "", out);
  }

  void write_chunk(std::string_view choice, std::string_view more, std::string& out) {
    append_data(fmt::format(R"({},"choices":[{}]{}{}}})", heading_, choice, more,
                            chunk_counts(results_.reply.options.stream, *results_.run)),
                out);
  }

  /// Before the text that it led to.
  void tell_progress(std::string& out) {
    if (!results_.reply.options.stream.progress) return;
    for (size_t i = 0; i < results_.sinks.size(); ++i) {
      const auto news = progress_.news(i, results_.run->usage(i));
      if (!news) continue;
      const i64 index = results_.sinks[i].choices.front().index;
      write_chunk(
          fmt::format(R"({{"index":{},"text":"","logprobs":null,"finish_reason":null}})", index),
          ",\"prompt_progress\":" + io::write_json(*news), out);
    }
  }

  void end(std::string& out) {
    results_.run->finished(200, reason_);
    if (results_.reply.options.stream.include_usage) {
      const Usage usage = results_.run->usage();
      append_data(fmt::format(R"({},"choices":[],"usage":{},"timings":{}}})", heading_,
                              io::write_json(openai_usage(usage)), io::write_json(timings(usage))),
                  out);
    }
    append_data(kDone, out);
  }

  Results results_;
  PromptProgress progress_;
  std::string heading_;  // of every chunk, with its brace open
  std::string reason_;
};

}  // namespace

std::unique_ptr<http::BodyStream> stream_completion(CompletionReply reply, std::unique_ptr<Run> run,
                                                    const std::string& request_id) {
  return std::make_unique<CompletionStream>(Results(std::move(reply), std::move(run), request_id));
}

std::unique_ptr<http::LateResponse> whole_completion(CompletionReply reply,
                                                     std::unique_ptr<Run> run,
                                                     const std::string& request_id) {
  return std::make_unique<WholeCompletion>(Results(std::move(reply), std::move(run), request_id));
}

}  // namespace fathom::serve
