#include "io/text/text_file.h"

#include <fmt/format.h>

#include <system_error>

#include "io/text/file_kind.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

/// As much of the head as can be read.
std::string read_head(const fs::path& path, Compression compression) {
  auto reader = ByteReader::open(path, compression);
  if (!reader) return {};
  std::string head(kHeadBytes, '\0');
  size_t size = 0;
  while (size < head.size()) {
    const auto count =
        (*reader)->read({reinterpret_cast<u8*>(head.data()) + size, head.size() - size});
    if (!count || *count == 0) break;
    size += *count;
  }
  head.resize(size);
  return head;
}

std::string refusal(const FileKind& kind, std::string_view inside) {
  return fmt::format("is {}{}, expected text; {}", kind.name, inside,
                     kind.remedy.empty() ? "unpack it once" : kind.remedy);
}

}  // namespace

std::string special_file(const fs::path& path) {
  std::error_code ignored;
  switch (fs::status(path, ignored).type()) {
    case fs::file_type::directory:
      return "a folder";
    case fs::file_type::fifo:
      return "a pipe";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::character:
    case fs::file_type::block:
      return "a device";
    default:
      return {};
  }
}

Result<TextFile> look_at_text(const fs::path& path) {
  if (const std::string special = special_file(path); !special.empty()) {
    return invalid_input(fmt::format(
        "is {}, expected a file: text is read more than once; write it into one first", special));
  }
  TextFile file;
  file.head = read_head(path, Compression::kNone);
  if (const FileKind* kind = kind_of(file.head)) {
    if (kind->compression == Compression::kNone) return invalid_input(refusal(*kind, ""));
    file.compression = kind->compression;
  } else if (file.head.size() < 4) {
    file.compression =
        compression_of_name(path.native());  // too short to say; else it was unpacked
  }
  if (file.compression == Compression::kNone) return file;
  file.head = read_head(path, file.compression);
  if (const FileKind* inside = kind_of(file.head)) {
    return invalid_input(
        refusal(*inside, file.compression == Compression::kGzip ? " inside gzip" : " inside zstd"));
  }
  return file;
}

}  // namespace fathom::io
