#include "engine/cache/page_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cstring>
#include <type_traits>

#include "base/checked_math.h"
#include "io/files/atomic_file.h"
#include "io/input_file.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;
using device::kPageTokens;

constexpr std::array<char, 8> kMagic = {'f', 'a', 't', 'h', 'o', 'm', 'P', 'G'};
constexpr u32 kVersion = 1;
constexpr std::string_view kSuffix = ".page";

/// As it lies in the file, in this machine's byte order (a file of the other one has no magic).
struct Header {
  std::array<char, 8> magic;
  u32 version;
  u32 page_tokens;
  io::Hash128 content;
  device::PageShape shape;
  i64 tokens;
  i64 exact_tokens;
  ChainKey owner, space, parent, key;
  std::array<i32, kPageTokens> ids;
  io::Hash128 rows;  // XXH3 of the rows
  io::Hash128 self;  // of all above: the last field in every version
};
static_assert(std::has_unique_object_representations_v<Header>, "no bytes of padding");

io::Hash128 hash_of(const Header& header) {
  io::Hasher hasher;
  hasher.update({reinterpret_cast<const u8*>(&header), offsetof(Header, self)});
  return hasher.digest();
}

Header header_of(const RowFormat& format, const StoredPage& page) {
  return {.magic = kMagic,
          .version = kVersion,
          .page_tokens = kPageTokens,
          .content = format.content,
          .shape = format.shape,
          .tokens = page.tokens,
          .exact_tokens = page.exact_tokens,
          .owner = page.owner,
          .space = page.space,
          .parent = page.parent,
          .key = page.key,
          .ids = page.ids,
          .rows = {},
          .self = {}};
}

PageFileState read_header(const io::InputFile& file, const RowFormat& format, Header* header) {
  const auto got = file.read_at(0, {reinterpret_cast<u8*>(header), sizeof(Header)});
  if (!got || *got != sizeof(Header) || header->magic != kMagic ||
      header->self != hash_of(*header)) {
    return PageFileState::kDamaged;
  }
  const bool is_ours = header->version == kVersion && header->page_tokens == kPageTokens &&
                       header->content == format.content &&
                       header->shape.layers == format.shape.layers &&
                       header->shape.row_bytes == format.shape.row_bytes;
  if (!is_ours) return PageFileState::kForeign;
  const bool is_whole = header->tokens > 0 && header->tokens <= kPageTokens &&
                        header->exact_tokens >= 0 && header->exact_tokens <= header->tokens &&
                        file.size_bytes() == page_file_bytes(format, header->tokens);
  return is_whole ? PageFileState::kSound : PageFileState::kDamaged;
}

/// The rows to their places. Nothing if the file ends too soon or the disk fails.
std::optional<io::Hash128> read_rows(const io::InputFile& file, const RowFormat& format, i64 tokens,
                                     u8* data) {
  io::Hasher hasher;
  const i64 bytes = tokens * format.shape.row_bytes;
  for (i64 layer = 0; layer < format.shape.layers; ++layer) {
    const std::span<u8> rows(data + layer * format.shape.layer_bytes(), static_cast<size_t>(bytes));
    const auto got = file.read_at(i64{sizeof(Header)} + layer * bytes, rows);
    if (!got || *got != bytes) return std::nullopt;
    hasher.update(rows);
  }
  return hasher.digest();
}

}  // namespace

std::string page_file_name(const ChainKey& key) {
  return fmt::format("{:02x}{}", fmt::join(key.bytes, ""), kSuffix);
}

std::optional<ChainKey> parse_page_file_name(std::string_view name) {
  ChainKey key;
  if (name.size() != 2 * key.bytes.size() + kSuffix.size() || !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  for (size_t i = 0; i < key.bytes.size(); ++i) {
    const char* digits = name.data() + 2 * i;
    const auto result = std::from_chars(digits, digits + 2, key.bytes[i], 16);
    if (result.ec != std::errc() || result.ptr != digits + 2) return std::nullopt;
  }
  return page_file_name(key) == name ? std::optional(key) : std::nullopt;
}

i64 page_file_bytes(const RowFormat& format, i64 tokens) {
  return i64{sizeof(Header)} + format.rows_bytes(tokens);
}

PageFileInfo read_page_header(const fs::path& path, const RowFormat& format) {
  PageFileInfo info;
  const auto file = io::InputFile::open(path);
  if (!file) return info;
  struct stat status = {};
  if (::fstat(file->descriptor(), &status) == 0) {
    info.used_ns = i64{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  }
  info.size_bytes = file->size_bytes();
  Header header = {};
  info.state = read_header(*file, format, &header);
  if (info.state != PageFileState::kSound) return info;
  if (path.filename() != page_file_name(header.key)) {
    info.state = PageFileState::kDamaged;
    return info;
  }
  info.page.space = header.space;
  info.page.parent = header.parent;
  info.page.key = header.key;
  info.page.tokens = header.tokens;
  info.page.exact_tokens = header.exact_tokens;
  info.page.ids = header.ids;
  info.page.owner = header.owner;
  return info;
}

void write_page_file(const fs::path& path, const RowFormat& format, const StoredPage& page,
                     std::span<const u8> rows) {
  Header header = header_of(format, page);
  io::Hasher hasher;
  hasher.update(rows);
  header.rows = hasher.digest();
  header.self = hash_of(header);
  io::AtomicFile file(path, 0600);
  file.reserve(i64{sizeof(Header)} + std::ssize(rows));
  file.append({reinterpret_cast<const u8*>(&header), sizeof(Header)});
  file.append(rows);
  file.commit();
}

PageFileState read_page_file(const fs::path& path, const RowFormat& format,
                             const StoredPage& expected, u8* data) {
  const auto file = io::InputFile::open(path);
  if (!file) return PageFileState::kAbsent;
  Header header = {};
  const PageFileState state = read_header(*file, format, &header);
  if (state != PageFileState::kSound) return state;
  Header wanted = header_of(format, expected);
  wanted.rows = header.rows;
  wanted.self = header.self;
  if (std::memcmp(&wanted, &header, sizeof(Header)) != 0) return PageFileState::kDamaged;
  if (read_rows(*file, format, expected.tokens, data) != header.rows) {
    return PageFileState::kDamaged;
  }
  ::futimens(file->descriptor(), nullptr);  // used now; if that fails, it looks older than it is
  return PageFileState::kSound;
}

}  // namespace fathom::engine
