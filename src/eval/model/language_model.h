#pragma once
// What an evaluation asks of a model, wherever that runs.
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "eval/task/items.h"

namespace fathom::eval {

/// Of a text behind a context.
struct TextScore {
  double log_prob = 0.0;   // sum over the text's tokens, natural
  i64 tokens = 0;          // of the text
  bool greedy = false;     // each of them is the most likely one
  bool truncated = false;  // the context was cut from the left to fit the model's window
  bool merged = false;     // a token reaches over the border: context and text have fewer tokens
};

/// Answered greedily at temperature 0, else drawn with `seed`.
struct GenerationRequest {
  std::string prompt;
  std::vector<std::string> stop;
  i64 max_tokens = 256;
  double temperature = 0.0, top_p = 1.0;
  u64 seed = 0;
};

/// A document that is scored in windows.
struct RollingRequest {
  std::string text;
  i64 window = 0, stride = 0;  // tokens; 0: the model's window, all of a window
};

struct GeneratedText {
  std::string text;  // without the stop text
  i64 tokens = 0;
  bool complete = false;   // ended of itself, not by the limit
  bool truncated = false;  // the prompt was cut from the left
};

/// Of all calls so far, for the account at the end.
struct ModelWork {
  u64 asked_tokens = 0;     // of all prompts, as if each were computed alone
  u64 computed_tokens = 0;  // prompts' tokens that went through the model
  u64 generated_tokens = 0;
};

/// What results files say about a model.
struct ModelFacts {
  std::string kind;  // "fathom", "local-completions"
  std::string name, arguments;
  std::string dtype;
  i64 max_length = 0;  // 0: not known
  struct Token {
    std::string text;
    i64 id = -1;  // -1: there is none
  };
  Token bos, eos, pad;
  std::string identity;  // differs where answers may differ; stored ones are known again by it
};

class LanguageModel {
 public:
  using OnScore = std::function<void(size_t index, const TextScore&)>;
  using OnText = std::function<void(size_t index, const GeneratedText&)>;

  virtual ~LanguageModel() = default;
  /// Calls `done` once a request, in any order. Results depend on the request alone.
  virtual void score(std::span<const ContextAndText> requests, const OnScore& done) = 0;
  virtual void generate(std::span<const GenerationRequest> requests, const OnText& done) = 0;
  /// The sum over all tokens of a document: see rolling_windows.h.
  virtual void score_documents(std::span<const RollingRequest> requests, const OnScore& done) = 0;
  virtual ModelFacts facts() const = 0;
  virtual ModelWork work() const { return {}; }
};

}  // namespace fathom::eval
