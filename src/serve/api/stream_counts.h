#pragma once
// What chunks of OpenAI's two older dialects say beside their text: usage, timings, progress.
#include <optional>
#include <string>
#include <vector>

#include "serve/api/call.h"
#include "serve/generate/run.h"

namespace fathom::serve {

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;     // in a chunk of its own, at the end
  bool continuous_usage = false;  // in every chunk
  bool timings = false;           // the same
  bool progress = false;          // of prompts, in chunks of their own
};

/// `stream`, `stream_options`, and llama.cpp's `timings_per_token` and `return_progress`.
StreamOptions read_stream_options(FieldReader& reader);
std::span<const FieldRule> stream_rules();

/// The members `usage` and `timings` of a chunk, each with a comma before it.
std::string chunk_counts(const StreamOptions& options, const Run& run);

/// Tells how far the prompts of a stream are, as llama.cpp does.
class PromptProgress {
 public:
  PromptProgress(const StreamOptions& options, size_t num_prompts)
      : wanted_(options.progress), told_(num_prompts, -1) {}

  /// {"total", "cache", "processed", "time_ms"} of a prompt, in tokens (cached ones are processed
  /// too) and milliseconds since the engine began with it; nullopt: nothing new.
  std::optional<io::JsonObject> news(size_t prompt, const Usage& usage);

 private:
  bool wanted_;
  std::vector<i64> told_;  // of each prompt, the tokens told last
};

}  // namespace fathom::serve
