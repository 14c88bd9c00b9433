#pragma once
// Text that a command is given: a file, a pipe, or stdin.
#include <string>

namespace fathom::cli {

/// All bytes of a file or a pipe, or of stdin for "-". Throws Error that names it and the system's
/// reason.
std::string read_text(const std::string& path);

/// The same for a text that a person wrote: gzip and zstd files are unpacked, a format that is no
/// text (io/text/file_kind.h) is refused by name.
std::string read_prose(const std::string& path);

}  // namespace fathom::cli
