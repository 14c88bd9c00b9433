#pragma once
// A page as a file: a header that says what it holds, then its rows.
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"
#include "device/paged_rows.h"
#include "engine/cache/sibling_order.h"
#include "io/content_hash.h"

namespace fathom::engine {

/// What two pages must have in common for one's rows to be of use in place of the other's.
struct RowFormat {
  io::Hash128 content;  // of the weights, and of how a row is encoded
  device::PageShape shape;

  i64 rows_bytes(i64 tokens) const { return shape.layers * tokens * shape.row_bytes; }
};

/// A page, and whose it is.
struct StoredPage : PageEntry {
  ChainKey owner;  // ChainHasher::owner
};

/// "HEX.page", by the page's key, and back.
std::string page_file_name(const ChainKey& key);
std::optional<ChainKey> parse_page_file_name(std::string_view name);
/// Of a whole file.
i64 page_file_bytes(const RowFormat& format, i64 tokens);

enum class PageFileState {
  kSound,
  kAbsent,   // or the system does not let us open it
  kForeign,  // sound, and of other weights or another version of the format
  kDamaged,
};

/// Of a file: whose name, length and header fit together. The rows are not looked at.
struct PageFileInfo {
  PageFileState state = PageFileState::kAbsent;
  StoredPage page;  // of a sound file
  i64 size_bytes = 0;
  i64 used_ns = 0;  // since the epoch: when it was written or last read
};
PageFileInfo read_page_header(const std::filesystem::path& path, const RowFormat& format);

/// `rows` [layers, tokens, row]. The file is there as a whole, readable for us alone, or not at
/// all. Throws Error{kIo}.
void write_page_file(const std::filesystem::path& path, const RowFormat& format,
                     const StoredPage& page, std::span<const u8> rows);

/// The rows of just this page go to their places in `data` [layers, kPageTokens, row], which holds
/// anything unless the answer is kSound. The checksum of all bytes is held against them.
PageFileState read_page_file(const std::filesystem::path& path, const RowFormat& format,
                             const StoredPage& expected, u8* data);

}  // namespace fathom::engine
