#pragma once
// An engine of one rank whose prompts another rank's engine may have computed.
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/make_engine.h"

namespace fathom::engine {

/// What came before a request, on the rank that computed its prompt.
struct HandedPrompt {
  std::shared_ptr<Stream> stream;  // the client's
  i64 cached_tokens = 0;           // that the other rank found
  double queue_s = 0.0;            // until it began
  double elapsed_s = 0.0;          // since the client asked
};

/// Pages of a prompt's first rows, held for whoever copies them.
struct LentPages {
  u64 handle = 0;
  i64 tokens = 0;        // rows that count
  i64 exact_tokens = 0;  // of these, the first ones (glossary)
  std::vector<std::span<u8>> pages;
};

/// For the engine's own thread, between two steps.
class HandoverEngine : public Engine {
 public:
  /// What submit() refuses a request for.
  virtual Result<void> check(const GenerateRequest& request) const = 0;
  /// As submit(), of a request that began elsewhere: its results go to that stream, and its numbers
  /// go on.
  virtual Result<Submission> submit_handed(GenerateRequest request, HandedPrompt prompt) = 0;

  /// The rows that memory has of the request's prompt, all but its last one's. No pages: it has
  /// none, and nothing is to be given back.
  virtual LentPages lend_prompt(const GenerateRequest& request) = 0;
  /// Pages for so many rows of its prompt, which nobody else reads or writes; nullopt: there are
  /// not enough.
  virtual std::optional<LentPages> lend_room(const GenerateRequest& request, i64 tokens) = 0;
  /// Rows were written into lent room: requests that begin alike find them. Then give_back().
  virtual void publish_room(const LentPages& room, i64 exact_tokens) = 0;
  virtual void give_back(u64 handle) = 0;
};

/// As make_engine.
std::unique_ptr<HandoverEngine> make_handover_engine(Ctx& ctx, const model::Model& model,
                                                     const tokenizer::Tokenizer* tokenizer,
                                                     const EngineOptions& options);

}  // namespace fathom::engine
