#pragma once
// Is a file text, and how is it packed? Looked at before the work, so that nothing is taken for
// text that is none.
#include <filesystem>
#include <string>

#include "base/error.h"
#include "io/text/byte_reader.h"

namespace fathom::io {

struct TextFile {
  Compression compression = Compression::kNone;  // by the first bytes, whatever the name
  std::string head;  // the text's first bytes, at most kHeadBytes; empty if it cannot be read
};

/// kInvalidInput: what the file is instead ("is Parquet, expected text; write its rows as JSON
/// lines"), a pipe and other special files among them, and kinds that only show when gzip or zstd
/// are undone. No message names the file: the caller knows it. A file that cannot be opened or is
/// damaged is none of this; it is reported when it is read.
[[nodiscard]] Result<TextFile> look_at_text(const std::filesystem::path& path);

/// "a pipe", "a folder", ...; empty for a regular file, and for what is not there.
std::string special_file(const std::filesystem::path& path);

}  // namespace fathom::io
