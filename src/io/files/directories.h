#pragma once
// Directories whose names outlive a crash.
#include <filesystem>

namespace fathom::io {

/// Makes `path` and the parents it lacks, each one's name flushed in its own parent. Does nothing
/// if it is there. Throws Error{kIo} that names the directory and the system's reason.
void make_directories(const std::filesystem::path& path);

/// Makes the names in a directory durable, "" being the current one. File systems that cannot flush
/// directories are fine. Throws Error{kIo} otherwise.
void flush_directory(const std::filesystem::path& path);

/// A descriptor of the directory of that name that holds an exclusive lock, or none where the file
/// system has no locks; -1 with errno, EWOULDBLOCK where another process holds it or has put
/// another one there. Closing it unlocks.
int lock_directory(const std::filesystem::path& directory);

}  // namespace fathom::io
