#pragma once
// Internal to io/: the header of a safetensors file, read without building a JSON tree (a header
// may be 100 MB and untrusted), then checked as a whole.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "base/error.h"
#include "base/types.h"
#include "io/safetensors.h"

namespace fathom::io {

/// One entry as written; `begin` and `end` are data_offsets.
struct HeaderEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<i64> shape;
  i64 begin = 0;
  i64 end = 0;
};

struct Header {
  std::vector<HeaderEntry> entries;  // in the order of their bytes
  Metadata metadata;
};

/// Parses and checks the JSON text of a header whose file holds `data_bytes` of tensor data.
/// Guarantees on success: names are unique, entries cover [0, data_bytes) without overlap or hole,
/// and end - begin is exactly the shape's elements times the dtype's size.
[[nodiscard]] Result<Header> read_header(std::string_view text, i64 data_bytes,
                                         const std::string& file_name);

/// The inverse: 8 bytes of length, the JSON, spaces up to a multiple of 64 bytes, so that the data
/// starts as aligned as the reference writer's 8 bytes and a cache line besides.
std::string write_header(const Header& header);

}  // namespace fathom::io
