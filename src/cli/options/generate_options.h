#pragma once
// Sampling flags and speed report, shared by `generate` and `chat`.
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"
#include "engine/client.h"
#include "engine/prompt.h"
#include "model/model.h"

namespace fathom::cli {

struct GenerateOptions {
  engine::SamplingParams sampling;
  bool greedy = false;
  bool ignore_eos = false;
  i64 max_tokens = 256;
  i64 drafts = 3;
  std::vector<std::string> stop;
};

void add_generate_options(Arguments& command, GenerateOptions& options);

/// Sampling and stop tokens: the flags given, else generation_config.json, else the defaults
/// (temperature 1). Without --seed the seed is drawn from the clock and logged.
engine::GenerateRequest make_request(const GenerateOptions& options, const Arguments& command,
                                     const model::Model& model, const engine::TextCodec& codec);

/// One line on stderr: time to first token, tokens a second, and the share of the machine's read
/// bandwidth that the decoded bytes make.
void report_speed(const engine::GenerateResult& result, const model::Model& model);

}  // namespace fathom::cli
