#pragma once
// Internal to io/gguf: the descriptions of tensors, and which bytes they name.
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "io/gguf/file.h"
#include "io/gguf/reader.h"

namespace fathom::io::gguf {

/// A tensor's description as the file has it.
struct Entry {
  Tensor tensor;
  u64 offset = 0;
  u64 size_bytes = 0;
};

/// Reads one description; `name` is the file's, for messages, and is viewed by the entry.
Result<Entry> read_entry(Reader& reader, const std::string& name);

/// Gives every entry its bytes: inside `data`, aligned, no two overlapping.
Result<void> place(std::vector<Entry>& entries, std::span<const u8> data, u64 alignment,
                   const std::string& name);

}  // namespace fathom::io::gguf
