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

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

tl::unexpected<Error> refused(const std::filesystem::path& path, const char* action, int code) {
  return fail(code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: cannot {}: {}", path.string(), action, std::strerror(code)));
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
  // O_NONBLOCK: opening a pipe must not wait for its writer; it is refused below.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return refused(path, "open", errno);
  struct stat status = {};
  if (::fstat(file.fd, &status) != 0) return refused(path, "stat", errno);
  if (!S_ISREG(status.st_mode)) {
    return invalid_input(fmt::format("{}: expected a regular file, found {}", path.string(),
                                     S_ISDIR(status.st_mode) ? "a directory" : "a special file"));
  }
  MappedFile mapped;
  mapped.path_ = path;
  if (status.st_size > 0) {  // an empty map is an error to mmap, an empty file is not one to us
    const auto size = static_cast<size_t>(status.st_size);
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
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

}  // namespace fathom::io
