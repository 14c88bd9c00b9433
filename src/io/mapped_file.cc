#include "io/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fathom::io {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

tl::unexpected<Error> refused(const std::filesystem::path& path, const char* action, int code) {
  return fail(code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: cannot {}: {}", path.string(), action, std::strerror(code)));
}

/// An open regular file and its size.
struct OpenFile {
  Descriptor descriptor;
  i64 size_bytes = 0;
};

Result<OpenFile> open_regular(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer; it is refused below.
  OpenFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  if (file.descriptor.fd() < 0) return refused(path, "open", errno);
  struct stat status = {};
  if (::fstat(file.descriptor.fd(), &status) != 0) return refused(path, "stat", errno);
  if (!S_ISREG(status.st_mode)) {
    return invalid_input(fmt::format("{}: expected a regular file, found {}", path.string(),
                                     S_ISDIR(status.st_mode) ? "a directory" : "a special file"));
  }
  file.size_bytes = status.st_size;
  return file;
}

int advice_of(AccessHint hint) {
  switch (hint) {
    case AccessHint::kSequential:
      return MADV_SEQUENTIAL;
    case AccessHint::kRandom:
      return MADV_RANDOM;
    case AccessHint::kWillNeed:
      return MADV_WILLNEED;
    case AccessHint::kDontNeed:
      return MADV_DONTNEED;
    case AccessHint::kNormal:
      break;
  }
  return MADV_NORMAL;
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  auto file = open_regular(path);
  if (!file) return tl::unexpected(std::move(file.error()));
  MappedFile mapped;
  mapped.path_ = path;
  if (file->size_bytes > 0) {  // an empty map is an error to mmap, an empty file is not one to us
    const auto size = static_cast<size_t>(file->size_bytes);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor.fd(), 0);
    if (address == MAP_FAILED) return refused(path, "map", errno);
    mapped.bytes_ = {static_cast<const u8*>(address), size};
  }
  return mapped;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<u8*>(bytes_.data()), bytes_.size());
}

void MappedFile::advise(AccessHint hint, i64 offset, i64 size_bytes) const noexcept {
  const auto file_size = static_cast<i64>(bytes_.size());
  const i64 begin = std::clamp<i64>(offset, 0, file_size);
  const i64 end = std::clamp<i64>(size_bytes, 0, file_size - begin) + begin;
  const i64 page = ::sysconf(_SC_PAGESIZE);
  const i64 aligned = begin / page * page;
  if (end > aligned) {
    ::madvise(const_cast<u8*>(bytes_.data()) + aligned, static_cast<size_t>(end - aligned),
              advice_of(hint));
  }
}

Result<std::string> read_text(const std::filesystem::path& path, i64 max_bytes) {
  auto file = open_regular(path);
  if (!file) return tl::unexpected(std::move(file.error()));
  if (file->size_bytes > max_bytes) {
    return invalid_input(fmt::format("{}: {} bytes, expected at most {}", path.string(),
                                     file->size_bytes, max_bytes));
  }
  std::string text(static_cast<size_t>(file->size_bytes), '\0');
  size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(file->descriptor.fd(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(path, "read", errno);
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  text.resize(length);
  return text;
}

}  // namespace fathom::io
