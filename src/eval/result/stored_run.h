#pragma once
// Results that were written, by fathom or by lm-eval.
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "io/json.h"

namespace fathom::eval {

/// A line of a samples file.
struct StoredSample {
  i64 index = 0;
  std::string filter, document_hash, prompt_hash;
  std::map<std::string, double> metrics;  // those that are numbers
  io::JsonValue line;                     // all of it
};

struct StoredRun {
  std::string model, stamp;
  io::JsonValue results;
  std::map<std::string, std::vector<StoredSample>> samples;  // by task
};

/// The latest run in a folder, or in one folder below it. kNotFound: there is none; kInvalidInput
/// names file, line and field.
Result<StoredRun> read_stored_run(const std::filesystem::path& folder);

}  // namespace fathom::eval
