#pragma once
// What stands in the files of a set, before a source's templates see it. Internal to task/.
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/task/task_spec.h"
#include "io/json.h"

namespace fathom::eval {

/// A line, a row or an element of a file.
struct Record {
  io::JsonValue value;
  std::string place;  // "FILE:LINE", for messages
};

/// The whole of a text file, also of one with .gz or .zst. Errors name it and a line that is no
/// UTF-8.
Result<std::string> read_text(const std::filesystem::path& path);

/// By the source's `format`, else by the file's name; any other text is one record {text}. Errors
/// name file and line.
Result<std::vector<Record>> read_records(const std::filesystem::path& path,
                                         const SourceSpec& source);

}  // namespace fathom::eval
