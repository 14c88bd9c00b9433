#include "io/safetensors_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <unordered_set>

#include "base/checked_math.h"
#include "io/json.h"
#include "io/json_sax.h"
#include "io/safetensors_header_json.h"

namespace fathom::io {
namespace {

/// Offsets and sizes of one entry by itself.
Result<void> check_entry(const HeaderEntry& entry, i64 data_bytes, const std::string& file_name) {
  const auto refuse = [&](const std::string& what) {
    return invalid_input(
        fmt::format("{}: tensor `{}`: {}", file_name, sax::excerpt(entry.name, 200), what));
  };
  if (entry.end < entry.begin || entry.end > data_bytes) {
    return refuse(fmt::format(
        "data_offsets [{}, {}] do not lie in the file's {} bytes of tensor data{}", entry.begin,
        entry.end, data_bytes,
        entry.end > data_bytes ? "; is the file truncated? Then download it again" : ""));
  }
  const auto elements = checked_product(entry.shape);
  const auto bytes = elements ? checked_mul(*elements, dtype_bytes(entry.dtype)) : std::nullopt;
  if (!bytes) {
    return refuse(fmt::format("shape [{}] overflows", fmt::join(entry.shape, ", ")));
  }
  if (*bytes != entry.end - entry.begin) {
    return refuse(fmt::format(
        "data_offsets [{}, {}] hold {} bytes, expected {} = shape [{}] x {} bytes of {}",
        entry.begin, entry.end, entry.end - entry.begin, *bytes, fmt::join(entry.shape, ", "),
        dtype_bytes(entry.dtype), dtype_name(entry.dtype)));
  }
  return {};
}

/// Sorted entries must follow each other from 0 to data_bytes.
Result<void> check_layout(const std::vector<HeaderEntry>& entries, i64 data_bytes,
                          const std::string& file_name) {
  i64 expected = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != expected) {
      return invalid_input(fmt::format(
          "{}: tensor `{}`: data_offsets begin at {}, expected {}, where the tensor before it ends "
          "({})",
          file_name, sax::excerpt(entry.name, 200), entry.begin, expected,
          entry.begin < expected ? "tensors overlap" : "a hole in the data"));
    }
    expected = entry.end;
  }
  if (expected != data_bytes) {
    return invalid_input(
        fmt::format("{}: the header describes {} bytes of tensor data, the file has {}", file_name,
                    expected, data_bytes));
  }
  return {};
}

}  // namespace

Result<Header> read_header(std::string_view text, i64 data_bytes, const std::string& file_name) {
  Result<Header> header = parse_header_json(text, file_name + ": header");
  if (!header) return header;
  std::vector<HeaderEntry>& entries = header->entries;
  std::unordered_set<std::string_view> names;
  for (const HeaderEntry& entry : entries) {
    if (!names.insert(entry.name).second) {
      return invalid_input(fmt::format("{}: tensor `{}` stands in the header twice", file_name,
                                       sax::excerpt(entry.name, 200)));
    }
    if (auto checked = check_entry(entry, data_bytes, file_name); !checked) {
      return tl::unexpected(std::move(checked.error()));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const HeaderEntry& a, const HeaderEntry& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  if (auto checked = check_layout(entries, data_bytes, file_name); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  return header;
}

std::string write_header(const Header& header) {
  std::string text = "{";
  if (!header.metadata.empty()) {
    JsonObject metadata;
    for (const auto& [key, value] : header.metadata) metadata.set(key, value);
    text += "\"__metadata__\":" + write_json(metadata);
  }
  for (const HeaderEntry& entry : header.entries) {
    if (text.size() > 1) text += ',';
    text += fmt::format("{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}",
                        write_json(entry.name), dtype_name(entry.dtype),
                        fmt::join(entry.shape, ","), entry.begin, entry.end);
  }
  text += '}';
  constexpr size_t kLengthBytes = 8;
  constexpr size_t kAlignment = 64;
  const size_t used = kLengthBytes + text.size();
  text.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  std::string result(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) {
    result[i] = static_cast<char>(text.size() >> (8 * i) & 0xff);
  }
  return result + text;
}

}  // namespace fathom::io
