#pragma once
// What a file is by its first bytes: the one table for everything that reads text.
#include <string>
#include <string_view>

#include "base/types.h"
#include "io/text/byte_reader.h"

namespace fathom::io {

/// Bytes of a file's beginning that decide what it is.
inline constexpr size_t kHeadBytes = 4096;

/// A format that is no plain text.
struct FileKind {
  std::string_view name;    // "a Parquet file"
  std::string_view remedy;  // what to do with it; empty for what is read as it is
  Compression compression = Compression::kNone;  // that can be undone here
};

/// The kind of a file that begins with `head`; nullptr for text and for what may be text. Bytes of
/// which many are control characters are "binary data", whatever they are.
const FileKind* kind_of(std::string_view head);

/// For a format that names or numbers could not tell apart: why a file that begins with `head`
/// holds no JSON lines ("one JSON array"), and what to do. Empty if it may hold them.
std::string not_json_lines(std::string_view head);

/// Why a file that would be read as plain text is data in JSON: a .json file that is one array, or
/// lines that are objects with a string `text_field`. Empty if it is none. `name` without .gz or
/// .zst.
std::string json_in_text(std::string_view name, std::string_view head, std::string_view text_field);

/// What text looks like that was taken for JSON lines: "a table (CSV)", "plain text".
std::string_view looks_like(std::string_view head);

}  // namespace fathom::io
