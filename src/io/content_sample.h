#pragma once
#include <filesystem>
#include <string>

#include "base/error.h"

namespace fathom::io {

/// 32 hexadecimal digits each.
struct ContentSample {
  std::string content;     // of names, sizes and blocks: equal for copies on other machines
  std::string this_write;  // and of the times of the last change: no edit leaves it as it was
};

/// What tells the files of a model from those of another: of a directory every regular file in it,
/// else of the file. Of each 64 blocks of 4 KiB, spread over it, are looked at (all of what is
/// smaller), since weights of hundreds of GiB cannot be read for this. Errors name the file that
/// cannot be read.
[[nodiscard]] Result<ContentSample> sample_content(const std::filesystem::path& path);

}  // namespace fathom::io
