#pragma once
// Model files that are not what their names say because a download went wrong: the commonest defect
// of weights from the field, and one whose cure the user can be told.
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/types.h"
#include "io/mapped_file.h"

namespace fathom::io {

class JsonValue;

/// MappedFile::open of a file that was downloaded with a model. Refuses, with what it is and what
/// to do, one that holds nothing, a pointer of Git LFS, Xet or git-annex, an HTML or XML page, a
/// server's error text or reserved space that was not filled, or that aria2 has not finished. Where
/// there is no such file, the message says if a part of it lies beside it.
[[nodiscard]] Result<MappedFile> open_downloaded(const std::filesystem::path& path);
/// read_text with the same checks.
[[nodiscard]] Result<std::string> read_downloaded(const std::filesystem::path& path, i64 max_bytes);
/// read_json with the same checks.
[[nodiscard]] Result<JsonValue> read_downloaded_json(const std::filesystem::path& path);

/// Why `file`, which is missing, may be missing, and what to do: "; X.part beside it is a download
/// that was not finished: ...". Empty if nothing speaks of a download.
std::string unfinished_download(const std::filesystem::path& file);

}  // namespace fathom::io
