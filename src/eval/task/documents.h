#pragma once
// The items of a set, out of files that others wrote.
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "eval/task/task_spec.h"
#include "io/json.h"

namespace fathom::eval {

struct Document {
  io::JsonValue stored;  // as the file has it: what results show and hashes are made of
  io::JsonValue
      visible;  // the same with the source's fields, @file and @path: what prompts are made of
  std::string place;    // "FILE:LINE", for messages
  std::string subtask;  // "" where the source has none
};

/// Items of all files that `patterns` name below `folder`, in that order: .jsonl, .json, .csv and
/// .tsv, also with .gz or .zst; any other text is one item {text}. Errors name file, line and
/// field. kNotFound: no file matches.
Result<std::vector<Document>> read_documents(const std::filesystem::path& folder,
                                             const std::vector<std::string>& patterns,
                                             const SourceSpec& source);

/// Do all of the patterns match a file?
bool files_are_there(const std::filesystem::path& folder, const std::vector<std::string>& patterns);

}  // namespace fathom::eval
