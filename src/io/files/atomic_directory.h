#pragma once
// A directory that is whole or absent.
#include <filesystem>

namespace fathom::io {

/// What commit() does where a directory with files has the name already.
enum class IfDirectoryExists { kReplace, kRefuse };

/// Files are written into path(), a temporary directory beside the final one; commit() makes the
/// directory durable and gives it its name. Without commit() the destructor removes what was
/// written, so a failure leaves the old directory or none. A crash leaves the temporary directory,
/// ".NAME.tmp", which the next AtomicDirectory of that name removes; while it is being written it
/// is locked, and a second writer of the name is refused. Files inside must have been made durable
/// by their writers (AtomicFile does). Constructor and commit() throw Error{kIo} that names the
/// directory and the system's reason.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(std::filesystem::path final_path,
                           IfDirectoryExists if_exists = IfDirectoryExists::kReplace);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const std::filesystem::path& path() const noexcept { return temporary_; }
  void commit();

 private:
  std::filesystem::path final_;
  std::filesystem::path temporary_;
  IfDirectoryExists if_exists_;
  bool committed_ = false;
  int lock_ = -1;  // on the temporary directory, while it is ours
};

}  // namespace fathom::io
