#pragma once
// A request while the engine works on it: from the engine's tokens to what a dialect writes.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/stream.h"
#include "serve/generate/prepare.h"
#include "tokenizer/chat/answer/answer_reader.h"

namespace fathom::serve {

/// How a choice ended.
struct Finish {
  enum class Reason { kStop, kLength, kToolCalls, kError };
  Reason reason = Reason::kStop;
  std::string stop_text = {};       // that ended it
  std::optional<i32> stop_id = {};  // the same, a token
  std::string error = {};           // of kError
};
/// "stop", "length", "tool_calls", "error".
std::string_view finish_name(Finish::Reason reason);

/// The error of requests that the server's end does not wait for.
inline constexpr const char* kDraining = "the server is going down";
/// Of one that an operator ended.
inline constexpr const char* kEndedByOperator = "an operator of this server ended the request";
/// What a client is told of an error that comes after its status line; the log gets the rest.
ApiError late_error(const Finish& finish, const std::string& request_id);

/// Tokens and text of a request, as far as they are known.
struct Usage {
  i64 prompt_tokens = 0, cached_tokens = 0;
  i64 completion_tokens = 0;  // thoughts and the tokens that ended choices among them
  i64 reasoning_tokens = 0;   // at most as many
  engine::RequestStats stats = {};
};

/// What becomes of a request's results, in their order. A dialect writes them down.
class GenerationSink {
 public:
  virtual ~GenerationSink() = default;
  /// The log-probability of a token of the prompt.
  virtual void prompt_token(const engine::Event& event) { static_cast<void>(event); }
  /// A token was generated; its text may come later. `reasoning`: it belongs to a thought.
  virtual void token(const engine::Event& event, bool reasoning) = 0;
  /// A call's beginning has its id.
  virtual void part(i64 choice, const tokenizer::AnswerPart& part) = 0;
  /// `end`: if its id is >= 0, the token that ended the choice, which no token() told.
  virtual void finish(const engine::Event& end, const Finish& finish) = 0;
};

/// Destroyed before its end, it ends what the engine does for it.
class Generation {
 public:
  /// `chat` unset: the engine's text is content as it is.
  Generation(const ServedModel& model, std::shared_ptr<engine::Stream> stream,
             const Prepared& prepared);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  void on_news(std::function<void()> wake) { stream_->listen(std::move(wake)); }
  /// Gives what came to `sink`. True: there will be nothing more.
  bool pump(GenerationSink& sink);
  bool done() const { return unfinished_ == 0; }
  Usage usage() const;

 private:
  struct Choice {
    std::optional<tokenizer::AnswerReader> reader;
    i64 tokens = 0, reasoning_tokens = 0;
    bool done = false;
    bool calls = false;
  };

  void take(const engine::Event& event, std::string_view text, GenerationSink& sink);
  void take_token(const engine::Event& event, std::string_view text, GenerationSink& sink);
  void take_finish(const engine::Event& event, std::string_view text, GenerationSink& sink);
  void give(Choice& choice, i64 index, GenerationSink& sink);
  void end(Choice& choice, const engine::Event& event, const Finish& finish, GenerationSink& sink);

  std::shared_ptr<engine::Stream> stream_;
  std::vector<std::string> stops_;
  bool include_stop_text_;
  std::string call_prefix_;  // of the ids of calls
  std::vector<Choice> choices_;
  i64 unfinished_;
  engine::Events news_;
  std::vector<tokenizer::AnswerPart> parts_;
};

}  // namespace fathom::serve
