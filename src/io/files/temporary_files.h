#pragma once
// Files under temporary names: how they are called, who is writing one, and what a killed process
// left.
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>

namespace fathom::io {

/// "PATH.tmp-PID-N": of this process, another one at each call.
std::string temporary_name(const std::filesystem::path& path);

/// Creates the file and holds an exclusive lock on it for as long as the descriptor is open: while
/// there is one, somebody is writing, on this machine or another one. Returns the descriptor, or -1
/// with errno.
int create_temporary(const std::filesystem::path& name, mode_t mode = 0666);

/// Removes files under temporary names in `folder`, those of `target` alone if it is not empty,
/// that no process is writing: nobody holds the lock, and no process has the number that is older
/// than the file. Where the file system has no locks nothing is removed. Never throws: what cannot
/// be removed stays.
void remove_stale_temporaries(const std::filesystem::path& folder, std::string_view target = {});

}  // namespace fathom::io
