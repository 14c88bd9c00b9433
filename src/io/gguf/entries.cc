#include "io/gguf/entries.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace fathom::io::gguf {
namespace {

/// The extents, which the file has fastest first, and the size they come to.
Result<void> read_extents(Reader& reader, const std::string& name, Entry& entry) {
  const auto axes = reader.u32_of("a number of axes");
  if (!axes) return tl::unexpected(axes.error());
  if (*axes < 1 || *axes > kMaxAxes) {
    return invalid_input(fmt::format("{}: tensor {} has {} axes, expected 1 to {}", name,
                                     printable(entry.tensor.name), *axes, kMaxAxes));
  }
  i64 elements = 1;
  for (u32 axis = 0; axis < *axes; ++axis) {
    const auto extent = reader.u64_of("an extent");
    if (!extent) return tl::unexpected(extent.error());
    if (*extent < 1 || *extent > static_cast<u64>(std::numeric_limits<i64>::max()) ||
        __builtin_mul_overflow(elements, static_cast<i64>(*extent), &elements)) {
      return invalid_input(
          fmt::format("{}: tensor {} has an extent of {}, expected 1 or more and fewer than 2^63 "
                      "elements in all",
                      name, printable(entry.tensor.name), *extent));
    }
    entry.tensor.shape.push_back(static_cast<i64>(*extent));
  }
  std::ranges::reverse(entry.tensor.shape);
  return {};
}

Result<void> read_type(Reader& reader, const std::string& name, Entry& entry) {
  const auto number = reader.u32_of("a type");
  if (!number) return tl::unexpected(number.error());
  const TypeInfo* type = find_type(*number);
  if (type == nullptr) {
    return unsupported(fmt::format("{}: tensor {} is of {} (type {}), which is not supported", name,
                                   printable(entry.tensor.name), name_of_unread_type(*number),
                                   *number));
  }
  entry.tensor.type = type->type;
  if (entry.tensor.cols() % type->block_elements != 0) {
    return invalid_input(fmt::format("{}: tensor {} is {}, expected rows of whole blocks of {}",
                                     name, printable(entry.tensor.name), to_string(entry.tensor),
                                     type->block_elements));
  }
  i64 size_bytes = 0;
  if (__builtin_mul_overflow(entry.tensor.elements() / type->block_elements, type->block_bytes,
                             &size_bytes)) {
    return invalid_input(fmt::format("{}: tensor {} is {}: more than 2^63 bytes", name,
                                     printable(entry.tensor.name), to_string(entry.tensor)));
  }
  entry.size_bytes = static_cast<u64>(size_bytes);
  return {};
}

}  // namespace

Result<Entry> read_entry(Reader& reader, const std::string& name) {
  Entry entry;
  const auto tensor_name = reader.string_of("a tensor's name");
  if (!tensor_name) return tl::unexpected(tensor_name.error());
  entry.tensor.name = *tensor_name;
  entry.tensor.file_name = name;
  if (auto read = read_extents(reader, name, entry); !read) return tl::unexpected(read.error());
  if (auto read = read_type(reader, name, entry); !read) return tl::unexpected(read.error());
  const auto offset = reader.u64_of("a tensor's offset");
  if (!offset) return tl::unexpected(offset.error());
  entry.offset = *offset;
  return entry;
}

Result<void> place(std::vector<Entry>& entries, std::span<const u8> data, u64 alignment,
                   const std::string& name) {
  std::vector<const Entry*> by_offset;
  by_offset.reserve(entries.size());
  for (Entry& entry : entries) {
    const std::string shown = printable(entry.tensor.name);
    if (entry.offset % alignment != 0) {
      return invalid_input(
          fmt::format("{}: tensor {} begins at byte {} of the data, expected a multiple of {}",
                      name, shown, entry.offset, alignment));
    }
    if (entry.offset > data.size() || entry.size_bytes > data.size() - entry.offset) {
      return invalid_input(
          fmt::format("{}: tensor {} takes bytes {} to {}+{} of the data, but the file has {}; is "
                      "it truncated? Then download it again",
                      name, shown, entry.offset, entry.offset, entry.size_bytes, data.size()));
    }
    entry.tensor.bytes =
        data.subspan(static_cast<size_t>(entry.offset), static_cast<size_t>(entry.size_bytes));
    by_offset.push_back(&entry);
  }
  std::ranges::sort(by_offset, {}, &Entry::offset);
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Entry &before = *by_offset[i - 1], &after = *by_offset[i];
    if (after.offset - before.offset < before.size_bytes) {
      return invalid_input(fmt::format("{}: tensors {} and {} overlap at byte {} of the data", name,
                                       printable(before.tensor.name), printable(after.tensor.name),
                                       after.offset));
    }
  }
  return {};
}

}  // namespace fathom::io::gguf
