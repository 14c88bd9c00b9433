#include "serve/generate/generation.h"

#include "base/log.h"
#include "engine/ranks/serving_ended.h"
#include "serve/api/call.h"

namespace fathom::serve {

using tokenizer::AnswerPart;

std::string_view finish_name(Finish::Reason reason) {
  switch (reason) {
    case Finish::Reason::kStop:
      return "stop";
    case Finish::Reason::kLength:
      return "length";
    case Finish::Reason::kToolCalls:
      return "tool_calls";
    case Finish::Reason::kError:
      break;
  }
  return "error";
}

ApiError late_error(const Finish& finish, const std::string& request_id) {
  if (finish.error == kDraining) return overloaded("draining", kDraining, 5);
  if (finish.error == kEndedByOperator) {
    return {.status = 403,
            .type = "permission_error",
            .code = "request_ended",
            .message = kEndedByOperator,
            .headers = {{"x-should-retry", "false"}}};
  }
  if (finish.error.starts_with(engine::kServingEnded)) {
    return overloaded("server_unavailable", finish.error, kUnavailableRetryS);
  }
  log::error("request {}: {}", request_id, finish.error);
  return server_fault(request_id);
}

Generation::Generation(const ServedModel& model, std::shared_ptr<engine::Stream> stream,
                       const Prepared& prepared)
    : stream_(std::move(stream)),
      stops_(prepared.request.stop),
      include_stop_text_(prepared.include_stop_text),
      choices_(static_cast<size_t>(prepared.request.num_choices)),
      unfinished_(prepared.request.num_choices) {
  if (!prepared.chat) return;
  call_prefix_ = prepared.chat->call_prefix;
  for (Choice& choice : choices_) {
    choice.reader.emplace(*model.chat_template, model.codec.tokenizer,
                          tokenizer::AnswerOptions{.in_thought = prepared.chat->in_thought,
                                                   .tools = prepared.chat->tools,
                                                   .stop = prepared.chat->stop});
  }
}

Generation::~Generation() {
  stream_->listen({});
  stream_->cancel();
}

bool Generation::pump(GenerationSink& sink) {
  while (unfinished_ > 0 && stream_->try_read(news_)) {
    std::string_view text = news_.text;
    for (const engine::Event& event : news_.events) {
      const auto bytes = static_cast<size_t>(event.text_bytes);
      take(event, text.substr(0, bytes), sink);
      text.remove_prefix(bytes);
    }
  }
  return done();
}

void Generation::take(const engine::Event& event, std::string_view text, GenerationSink& sink) {
  if (event.kind == engine::Event::Kind::kPromptToken) return sink.prompt_token(event);
  if (choices_[static_cast<size_t>(event.choice)].done) return;  // it ended at a stop text
  if (event.kind == engine::Event::Kind::kToken) {
    take_token(event, text, sink);
  } else {
    take_finish(event, text, sink);
  }
}

void Generation::take_token(const engine::Event& event, std::string_view text,
                            GenerationSink& sink) {
  Choice& choice = choices_[static_cast<size_t>(event.choice)];
  const bool reasoning = choice.reader && choice.reader->in_thought();
  ++choice.tokens;
  if (reasoning) ++choice.reasoning_tokens;
  if (choice.reader) {
    choice.reader->push(event.id, parts_);
  } else if (!text.empty()) {
    parts_.push_back({.text = std::string(text)});
  }
  sink.token(event, reasoning);
  give(choice, event.choice, sink);
  if (!choice.reader || !choice.reader->stopped()) return;
  engine::Event ending = event;
  ending.id = -1;
  end(choice, ending, {.stop_text = choice.reader->stop_text()}, sink);
}

void Generation::take_finish(const engine::Event& event, std::string_view text,
                             GenerationSink& sink) {
  Choice& choice = choices_[static_cast<size_t>(event.choice)];
  if (event.id >= 0) ++choice.tokens;
  const bool complete = event.reason == engine::FinishReason::kStop;
  if (choice.reader) {
    choice.reader->finish(!complete, parts_);
  } else if (!text.empty()) {
    parts_.push_back({.text = std::string(text)});
  }
  give(choice, event.choice, sink);
  Finish finish;
  switch (event.reason) {
    case engine::FinishReason::kStop:
      finish.reason = choice.calls ? Finish::Reason::kToolCalls : Finish::Reason::kStop;
      if (event.stop_index >= 0) {
        finish.stop_text = stops_[static_cast<size_t>(event.stop_index)];
      } else if (event.id >= 0) {
        finish.stop_id = event.id;
      }
      break;
    case engine::FinishReason::kLength:
      finish.reason = Finish::Reason::kLength;
      break;
    case engine::FinishReason::kError:
      finish = {.reason = Finish::Reason::kError, .error = stream_->error()};
      break;
    case engine::FinishReason::kInterrupted:
      // This cancels only what is told no more: what is told here somebody else cancelled.
      finish = {.reason = Finish::Reason::kError,
                .error = stream_->cancelled() ? kEndedByOperator : "the server ended the request"};
      break;
  }
  end(choice, event, finish, sink);
}

void Generation::give(Choice& choice, i64 index, GenerationSink& sink) {
  for (AnswerPart& part : parts_) {
    if (part.kind == AnswerPart::Kind::kCallBegin) {
      choice.calls = true;
      part.id = random_id(call_prefix_);
    }
    sink.part(index, part);
  }
  parts_.clear();
}

void Generation::end(Choice& choice, const engine::Event& event, const Finish& finish,
                     GenerationSink& sink) {
  if (include_stop_text_ && !finish.stop_text.empty()) {
    sink.part(event.choice, {.text = finish.stop_text});
  }
  choice.done = true;
  sink.finish(event, finish);
  if (--unfinished_ == 0) stream_->cancel();  // of choices that ended here before they did there
}

Usage Generation::usage() const {
  Usage usage{.stats = stream_->stats()};
  usage.prompt_tokens = usage.stats.prompt_tokens;
  usage.cached_tokens = usage.stats.cached_tokens;
  for (const Choice& choice : choices_) {
    usage.completion_tokens += choice.tokens;
    usage.reasoning_tokens += choice.reasoning_tokens;
  }
  return usage;
}

}  // namespace fathom::serve
