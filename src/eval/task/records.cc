#include "eval/task/records.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "eval/task/csv.h"
#include "eval/task/template/template.h"
#include "io/text/byte_reader.h"
#include "io/text/text_file.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using io::JsonObject;
using io::JsonValue;

constexpr i64 kMaxFileBytes = i64{2} << 30;
constexpr io::JsonLimits kLineLimits = {.max_bytes = i64{256} << 20};
constexpr io::JsonLimits kFileLimits = {.max_bytes = kMaxFileBytes, .max_values = 100'000'000};

Result<std::vector<Record>> read_lines(const std::string& name, std::string_view text) {
  std::vector<Record> records;
  for (i64 line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (one.find_first_not_of(" \t\r") == one.npos) continue;
    const std::string place = fmt::format("{}:{}", name, line);
    Result<JsonValue> value = io::parse_json(one, place, kLineLimits);
    if (!value) return tl::unexpected(value.error());
    records.push_back({std::move(*value), place});
  }
  return records;
}

Result<std::vector<Record>> read_whole(const std::string& name, std::string_view text,
                                       const std::string& rows) {
  Result<JsonValue> root = io::parse_json(text, name, kFileLimits);
  if (!root) return tl::unexpected(root.error());
  if (!rows.empty()) {
    JsonObject document;
    document.set("@file", std::move(*root));
    if (const JsonValue* const file = document.find("@file"); file->is_object()) {
      for (const auto& [key, value] : JsonObject(file->as_object())) document.set(key, value);
    }
    root = value_or_throw(Template::parse(rows)).value(document);
    if (!root) return invalid_input(fmt::format("{}: rows: {}", name, root.error().message()));
  }
  if (root->is_object() && rows.empty()) return std::vector<Record>{{std::move(*root), name}};
  if (!root->is_array()) {
    return invalid_input(
        fmt::format("{}: expected an array of items, found {}", name, io::describe(*root)));
  }
  std::vector<Record> records;
  for (JsonValue& value : root->as_array()) {
    records.push_back({std::move(value), fmt::format("{}: item {}", name, records.size())});
  }
  return records;
}

Result<std::vector<Record>> read_table(const std::string& name, std::string_view text,
                                       char separator, std::vector<std::string> columns) {
  Result<std::vector<TableRow>> rows = parse_table(text, separator);
  if (!rows) return invalid_input(name + rows.error().message());
  size_t first = 0;
  if (columns.empty() && !rows->empty()) {
    columns = (*rows)[0].cells;
    first = 1;
  }
  std::vector<Record> records;
  for (size_t i = first; i < rows->size(); ++i) {
    TableRow& row = (*rows)[i];
    const std::string place = fmt::format("{}:{}", name, row.line);
    if (row.cells.size() != columns.size()) {
      return invalid_input(fmt::format("{}: expected {} columns ({}), found {}", place,
                                       columns.size(), fmt::join(columns, ", "), row.cells.size()));
    }
    JsonObject object;
    for (size_t c = 0; c < columns.size(); ++c) object.set(columns[c], std::move(row.cells[c]));
    records.push_back({JsonValue(std::move(object)), place});
  }
  return records;
}

}  // namespace

Result<std::string> read_text(const fs::path& path) {
  const std::string name = path.string();
  const Result<io::TextFile> kind = io::look_at_text(path);
  if (!kind) return fail(kind.error().code(), name + ": " + kind.error().message());
  auto reader = io::ByteReader::open(path, kind->compression);
  if (!reader) return fail(reader.error().code(), name + ": " + reader.error().message());
  std::string text;
  std::vector<u8> buffer(size_t{1} << 16);
  while (true) {
    const Result<size_t> count = (*reader)->read(buffer);
    if (!count) return fail(count.error().code(), name + ": " + count.error().message());
    if (*count == 0) break;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
    if (std::ssize(text) > kMaxFileBytes) {
      return unsupported(
          fmt::format("{}: more than {} of text", name, format_bytes(kMaxFileBytes)));
    }
  }
  if (const size_t good = tokenizer::valid_utf8_prefix_bytes(text); good < text.size()) {
    const auto line = std::count(text.begin(), text.begin() + static_cast<i64>(good), '\n') + 1;
    return invalid_input(fmt::format("{}:{}: byte {} is no UTF-8", name, line, good));
  }
  return text;
}

Result<std::vector<Record>> read_records(const fs::path& path, const SourceSpec& source) {
  const Result<std::string> text = read_text(path);
  if (!text) return tl::unexpected(text.error());
  const std::string name = path.string();
  std::string kind = fs::path(io::without_compression(name)).extension().string();
  if (!source.format.empty()) kind = "." + source.format;
  if (kind == ".jsonl") return read_lines(name, *text);
  if (kind == ".json") return read_whole(name, *text, source.rows);
  if (kind == ".csv") return read_table(name, *text, ',', source.columns);
  if (kind == ".tsv") return read_table(name, *text, '\t', source.columns);
  JsonObject whole;  // any other text is one document
  whole.set("text", *text);
  return std::vector<Record>{{JsonValue(std::move(whole)), name}};
}

}  // namespace fathom::eval
