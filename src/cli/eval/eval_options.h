#pragma once
// What `fathom eval` is told.
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"
#include "cli/options/model_options.h"
#include "eval/endpoint/endpoint_model.h"

namespace fathom::cli {

struct EvalOptions {
  ModelOptions model;
  eval::EndpointOptions endpoint;
  std::string tokenizer;
  bool chat = false;
  std::string chat_template;

  std::vector<std::string> tasks;
  bool list = false;
  std::string data = ".", preset = "lm-eval";
  i64 shots = 0, limit = 0, samples = 1, seed = 1234;
  double temperature = 0.0;
  std::string judge, judge_model;
  std::string exercises, repair;
  std::string training;
  bool unsafe_code = false;

  std::string out, page, loads;
  std::vector<std::string> compare;
  i64 bootstrap = 100'000;
  bool json = false;
};

void add_eval_options(Arguments& command, EvalOptions& options);

/// An option that would say nothing of this model or judge is refused: throws
/// Error{kInvalidInput}.
void check_eval_options(const Arguments& command, const EvalOptions& options);

/// A server's address rather than a path?
bool is_url(const std::string& text);

}  // namespace fathom::cli
