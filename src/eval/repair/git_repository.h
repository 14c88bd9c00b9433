#pragma once
// One commit of a local git repository, read by git itself.
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "eval/repair/edit_blocks.h"

namespace fathom::eval {

class GitCommit {
 public:
  /// kUnsupported: git is not installed. kInvalidInput: no repository there, or no such commit.
  static Result<GitCommit> open(const std::filesystem::path& repository, const std::string& commit);

  /// Its text files (UTF-8, at most 1 MiB), by path.
  const Files& files() const { return files_; }
  /// All of it as a tar file.
  const std::string& archive() const { return archive_; }

 private:
  Files files_;
  std::string archive_;
};

}  // namespace fathom::eval
