#include "io/mapped_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "io/input_file.h"

namespace fathom::io {
namespace {

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
  const auto file = InputFile::open(path);
  if (!file) return tl::unexpected(file.error());
  MappedFile mapped;
  mapped.path_ = path;
  if (file->size_bytes() > 0) {  // an empty map is an error to mmap, an empty file is not one to us
    const auto size = static_cast<size_t>(file->size_bytes());
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file->descriptor(), 0);
    if (address == MAP_FAILED) {
      return fail(ErrorCode::kIo,
                  fmt::format("{}: cannot map: {}", path.string(), std::strerror(errno)));
    }
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
  const auto file = InputFile::open(path);
  if (!file) return tl::unexpected(file.error());
  if (file->size_bytes() > max_bytes) {
    return invalid_input(fmt::format("{}: {} bytes, expected at most {}", path.string(),
                                     file->size_bytes(), max_bytes));
  }
  std::string text(static_cast<size_t>(file->size_bytes()), '\0');
  const auto length = file->read_at(0, {reinterpret_cast<u8*>(text.data()), text.size()});
  if (!length) return tl::unexpected(length.error());
  text.resize(static_cast<size_t>(*length));
  return text;
}

}  // namespace fathom::io
