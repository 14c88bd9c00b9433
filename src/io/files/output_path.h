#pragma once
// What can be known of an output before the work that fills it: whether it can be made, and whether
// it will fit.
#include <filesystem>

#include "base/types.h"

namespace fathom::io {

/// Throws Error{kInvalidInput} that names `path` and the reason if no file can be made there: its
/// directory is missing or may not be written to, or it is there and no regular file.
void require_output_file(const std::filesystem::path& path);

/// Throws Error{kInvalidInput} if no directory is there or can be made: what exists of the path is
/// no directory, or may not be written to.
void require_output_directory(const std::filesystem::path& path);

/// Bytes that this process may still write where `path` is or will be: of the file system of its
/// nearest parent that exists. The largest i64 where the system does not say.
i64 free_space_bytes(const std::filesystem::path& path);

/// Throws Error{kIo} with both numbers if `needed_bytes` do not fit where `path` is or will be.
void require_free_space(const std::filesystem::path& path, i64 needed_bytes);

}  // namespace fathom::io
