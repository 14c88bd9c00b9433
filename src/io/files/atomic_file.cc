#include "io/files/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "io/files/directories.h"
#include "io/files/output_path.h"
#include "io/files/temporary_files.h"
#include "io/mapped_file.h"

namespace fathom::io {

AtomicFile::AtomicFile(std::filesystem::path path, mode_t mode) : path_(std::move(path)) {
  // The rename would replace a device or a pipe by a file.
  std::error_code ignored;
  const auto status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: exists and is no regular file", path_.string()));
  }
  do {
    temporary_ = temporary_name(path_);
    fd_ = create_temporary(temporary_, mode);
  } while (fd_ < 0 && errno == EEXIST);
  if (fd_ < 0) refuse("create", errno);
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::exchange(other.fd_, -1)),
      sealed_(other.sealed_),
      end_(other.end_) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::refuse(std::string_view action, int code) const {
  throw Error(ErrorCode::kIo,
              fmt::format("{}: cannot {}: {}", path_.string(), action, std::strerror(code)));
}

void AtomicFile::append(std::span<const u8> bytes) {
  write_at(end_, bytes);
  end_ += static_cast<i64>(bytes.size());
}

void AtomicFile::append(std::string_view text) {
  append(std::span(reinterpret_cast<const u8*>(text.data()), text.size()));
}

void AtomicFile::write_at(i64 offset, std::span<const u8> bytes) const {
  FATHOM_CHECK(!sealed_, path_.string(), " is already sealed");
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (written < 0) {
      if (errno == EINTR) continue;
      refuse("write", errno);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += written;
  }
}

void AtomicFile::reserve(i64 size_bytes) const {
  FATHOM_CHECK(!sealed_, path_.string(), " is already sealed");
  if (size_bytes == 0) return;
  require_free_space(path_, size_bytes);
  // fallocate and not posix_fallocate: where it is not supported, glibc would write every block.
  if (::fallocate(fd_, 0, 0, size_bytes) == 0) return;
  const int code = errno;
  if (code != EOPNOTSUPP && code != ENOSYS) {
    refuse(fmt::format("reserve {} bytes", size_bytes), code);
  }
  if (::ftruncate(fd_, size_bytes) != 0) refuse("resize", errno);
}

void AtomicFile::seal() {
  if (sealed_) return;
  if (::fsync(fd_) != 0) refuse("flush", errno);
  sealed_ = true;
}

void AtomicFile::commit() {
  FATHOM_CHECK(!temporary_.empty(), path_.string(), " is already committed");
  seal();
  if (std::rename(temporary_.c_str(), path_.c_str()) != 0) refuse("rename to its name", errno);
  temporary_.clear();
  if (::close(std::exchange(fd_, -1)) != 0) refuse("close", errno);
  flush_directory(path_.parent_path());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.append(text);
  file.commit();
}

void copy_file_atomically(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto source = value_or_throw(MappedFile::open(from));
  AtomicFile copy(to);
  copy.append(source.bytes());
  copy.commit();
}

}  // namespace fathom::io
