#pragma once
// Log-probabilities of given tokens.
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/make_engine.h"
#include "model/model.h"

namespace fathom::engine {

struct ScoreOptions {
  EngineOptions engine;  // context_tokens: the longest history a token sees
  /// Texts longer than the context are scored in windows that begin every `stride_tokens`; a token
  /// is scored once, in the first window that reaches it. 0: half the context.
  i64 stride_tokens = 0;
};

struct Score {
  /// log p(ids[i] | ids[..i)), natural; [0] is NaN: nothing stands before it.
  std::vector<double> log_probs;
  double total_log_prob = 0.0;  // of tokens 1..
  i64 windows = 0;
};

/// Receives logits [rows, vocab] f32 of consecutive tokens, from token 0 on.
using OnLogits = std::function<void(View<const float, 2>)>;

/// Text after text on one engine, none of which sees another. One thread at a time.
class Scorer {
 public:
  /// `ctx` and `model` must outlive it. Throws Error{kInvalidInput} for a stride outside
  /// [1, context).
  Scorer(Ctx& ctx, const model::Model& model, const ScoreOptions& options);

  /// One pass over `ids`. With `on_logits` the ids must fit the context. Throws
  /// Error{kInvalidInput} for no ids or for an id outside the vocabulary.
  Score score(std::span<const i32> ids, const OnLogits& on_logits = {});

 private:
  struct Pass;
  void run_window(Pass& pass, i64 begin, i64 end);

  i64 context_, stride_, vocab_;
  std::unique_ptr<Engine> engine_;
};

/// The same for one text, with an engine no larger than it.
Score score_tokens(Ctx& ctx, const model::Model& model, std::span<const i32> ids,
                   const ScoreOptions& options, const OnLogits& on_logits = {});

}  // namespace fathom::engine
