#pragma once
// A model's edits of files as search/replace blocks, the "diff" format of Aider.
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::eval {

/// One block:
///
///   path/of/file.py
///   ```python
///   <<<<<<< SEARCH
///   lines that stand in the file
///   =======
///   lines in their place
///   >>>>>>> REPLACE
///   ```
struct Edit {
  std::string path, search, replace;
  bool operator==(const Edit&) const = default;
};

/// All blocks of an answer. The path stands alone on a line before the block or its fence; a block
/// without one is of the file before. kInvalidInput: a block without a path, ======= or REPLACE.
/// Blocks of commands for a shell are passed over. Source: Aider-AI/aider 0.86.2,
/// aider/coders/editblock_coder.py.
Result<std::vector<Edit>> read_edits(std::string_view answer);

/// The file with the first place of `search` replaced; nullopt where there is none. In this order:
/// equal lines; lines that are equal but for one and the same white space before each; the same
/// without a blank line at the beginning of `search`; pieces between lines of "...", each of which
/// stands there once. An empty `search` adds to the end.
std::optional<std::string> edited(std::string_view content, const Edit& edit);

/// Contents of files by path.
using Files = std::map<std::string, std::string>;

struct EditOutcome {
  i64 blocks = 0;
  std::vector<Edit> failed;  // found in no file
  std::string malformed;     // why the answer could not be read; "": it could
  bool well_formed() const { return malformed.empty() && failed.empty(); }
};

/// Applies an answer's blocks to `files`. One that is not found in its file is tried in the others;
/// a path that is not there is made if the block searches for nothing. Blocks that fit are applied
/// even where others do not.
EditOutcome apply_edits(std::string_view answer, Files& files);

}  // namespace fathom::eval
