#pragma once
// All that one HTTP request has the engine do: admitted, queued, counted.
#include <map>
#include <memory>
#include <vector>

#include "serve/api/call.h"
#include "serve/generate/generation.h"

namespace fathom::serve {

class Run {
 public:
  /// Admits the request and queues every prompt of it, or none. Adds to the call's headers what the
  /// client should know.
  static ApiResult<std::unique_ptr<Run>> start(Call& call, std::vector<Prepared> prompts,
                                               RequestFacts facts);

  void on_news(const std::function<void()>& wake);
  /// Gives what came for one prompt to `sink`. True: its generation is over.
  bool pump(size_t prompt, GenerationSink& sink);
  bool done() const;
  size_t num_prompts() const { return generations_.size(); }
  i64 num_choices() const { return num_choices_; }  // of each prompt
  /// Of all prompts together; the times are the longest ones.
  Usage usage() const;
  Usage usage(size_t prompt) const { return generations_[prompt]->usage(); }
  u64 seed() const { return seed_; }

  /// What a client is told of a choice that ended so, which ends the request; it is recorded.
  ApiError failed(const Finish& finish, const std::string& request_id);
  /// How it ended, for the record. Neither called: the client went away.
  void finished(int status, std::string_view reason, std::string_view error_code = {});
  ~Run();

 private:
  Run(Call& call, RequestFacts facts);

  Ticket ticket_;
  std::vector<std::unique_ptr<Generation>> generations_;
  std::shared_ptr<CallMemory> calls_;
  /// By prompt and choice, where the audit log or the memory of calls wants them; else empty.
  std::vector<std::map<i64, tokenizer::Answer>> answers_;
  bool keeps_words_ = false;  // for the audit log
  u64 seed_ = 0;
  i64 num_choices_ = 1;
};

/// What is known of the request before it is queued, of these prompts.
RequestFacts request_facts(const Call& call, const std::vector<Prepared>& prompts,
                           const SamplingFields& sampling, std::string model, bool stream);

}  // namespace fathom::serve
