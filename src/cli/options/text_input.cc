#include "cli/options/text_input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/text/file_kind.h"
#include "io/text/text_file.h"

namespace fathom::cli {
namespace {

std::string name_of(const std::string& path) { return path == "-" ? "stdin" : path; }

[[noreturn]] void refuse(const std::string& path, int code) {
  throw Error(code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: {}", name_of(path), std::strerror(code)));
}

std::string read_all(int fd, const std::string& path) {
  std::string text;
  std::vector<char> block(size_t{1} << 16);
  while (true) {
    const ssize_t count = ::read(fd, block.data(), block.size());
    if (count == 0) return text;
    if (count > 0) {
      text.append(block.data(), static_cast<size_t>(count));
    } else if (errno != EINTR) {
      const int code = errno;
      if (fd != STDIN_FILENO) ::close(fd);
      refuse(path, code);
    }
  }
}

std::string unpack(const std::string& path, io::Compression compression) {
  const auto fail_with = [&](const Error& error) -> Error {
    return {error.code(), fmt::format("{}: {}", path, error.message())};
  };
  auto reader = io::ByteReader::open(path, compression);
  if (!reader) throw fail_with(reader.error());
  std::string text;
  std::vector<u8> block(size_t{1} << 16);
  while (true) {
    const auto count = (*reader)->read(block);
    if (!count) throw fail_with(count.error());
    if (*count == 0) return text;
    text.append(reinterpret_cast<const char*>(block.data()), *count);
  }
}

}  // namespace

std::string read_text(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, path);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) refuse(path, errno);
  std::string text = read_all(fd, path);
  ::close(fd);
  return text;
}

std::string read_prose(const std::string& path) {
  // A pipe can be read once only: it is taken as it comes.
  const bool is_file = path != "-" && io::special_file(path).empty();
  if (is_file) {
    const auto looked = io::look_at_text(path);
    if (!looked) {
      throw Error(looked.error().code(), fmt::format("{}: {}", path, looked.error().message()));
    }
    if (looked->compression != io::Compression::kNone) return unpack(path, looked->compression);
  }
  std::string text = read_text(path);
  if (const io::FileKind* kind = io::kind_of(std::string_view(text).substr(0, io::kHeadBytes))) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: is {}, expected text", name_of(path), kind->name));
  }
  return text;
}

}  // namespace fathom::cli
