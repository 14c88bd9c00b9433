#include "eval/task/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/text.h"
#include "eval/task/csv.h"
#include "eval/task/template.h"
#include "eval/text/python_json.h"
#include "io/text/byte_reader.h"
#include "io/text/glob.h"
#include "io/text/text_file.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

constexpr i64 kMaxFileBytes = i64{2} << 30;
constexpr io::JsonLimits kLineLimits = {.max_bytes = i64{256} << 20};
constexpr io::JsonLimits kFileLimits = {.max_bytes = kMaxFileBytes, .max_values = 100'000'000};

struct Record {
  JsonValue value;
  std::string place;
};

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

/// "name: text" each, as a task file's check has found them to be.
std::vector<std::pair<std::string, std::string>> pairs_of(const std::vector<std::string>& lines) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& line : lines) {
    const size_t colon = line.find(": ");
    pairs.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
  return pairs;
}

/// The templates of a source, parsed once.
struct SourceTemplates {
  explicit SourceTemplates(const SourceSpec& source)
      : each(value_or_throw(Template::parse(source.each))),
        where(value_or_throw(Template::parse(source.where))),
        subtask(value_or_throw(Template::parse(source.subtask))),
        side_file(value_or_throw(Template::parse(source.side_file))) {
    for (const auto& [name, text] : pairs_of(source.fields)) {
      fields.emplace_back(name, value_or_throw(Template::parse(text)));
    }
    JsonObject object;
    for (auto& [name, text] : pairs_of(source.names)) object.set(name, std::move(text));
    names = JsonValue(std::move(object));
  }
  Template each, where, subtask, side_file;
  std::vector<std::pair<std::string, Template>> fields;
  JsonValue names;
};

/// A record as documents: one, or one for each element of a list in it.
class DocumentMaker {
 public:
  DocumentMaker(const fs::path& folder, const SourceSpec& source, std::vector<Document>& out)
      : folder_(folder), source_(source), templates_(source), out_(out) {}

  /// `path` is below the data folder; records that follow are out of it.
  void begin_file(std::string path) { path_ = std::move(path); }

  Result<void> add(Record record, const std::string& file) {
    if (record.value.is_array()) {
      JsonObject row;
      row.set("row", std::move(record.value));
      record.value = JsonValue(std::move(row));
    }
    if (!record.value.is_object()) {
      return invalid_input(fmt::format("{}: expected an object, found {}", record.place,
                                       io::describe(record.value)));
    }
    if (source_.each.empty()) return add_one(std::move(record), file);
    JsonObject seen = record.value.as_object();
    if (!source_.names.empty()) seen.set("@names", templates_.names);
    Result<JsonValue> list = templates_.each.value(JsonValue(std::move(seen)));
    if (!list) return at(record.place, "each", list.error());
    if (!list->is_array()) {
      return invalid_input(
          fmt::format("{}: each: expected an array, found {}", record.place, io::describe(*list)));
    }
    i64 index = 0;
    for (const JsonValue& element : list->as_array()) {
      JsonObject object = record.value.as_object();
      if (element.is_object()) {
        for (const auto& [key, value] : element.as_object()) object.set(key, value);
      } else {
        object.set("item", element);
      }
      object.set("index", index++);
      const Result<void> added = add_one({JsonValue(std::move(object)), record.place}, file);
      if (!added) return added;
    }
    return {};
  }

 private:
  static tl::unexpected<Error> at(const std::string& place, std::string_view field,
                                  const Error& error) {
    return invalid_input(fmt::format("{}: {}: {}", place, field, error.message()));
  }

  Result<const std::string*> side_text(const Record& record, const JsonValue& visible) {
    const Result<std::string> name = templates_.side_file.text(visible);
    if (!name) return at(record.place, "side_file", name.error());
    const auto found = side_texts_.find(*name);
    if (found != side_texts_.end()) return &found->second;
    Result<std::string> text = read_text(folder_ / *name);
    if (!text) return tl::unexpected(text.error());
    return &side_texts_.emplace(*name, std::move(*text)).first->second;
  }

  Result<void> add_one(Record record, const std::string& file) {
    JsonObject visible = record.value.as_object();
    visible.set("@file", file);
    visible.set("@path", path_);
    if (!source_.names.empty()) visible.set("@names", templates_.names);
    if (!source_.side_file.empty()) {
      const Result<const std::string*> side = side_text(record, JsonValue(visible));
      if (!side) return tl::unexpected(side.error());
      visible.set("@side", **side);
    }
    JsonObject stored = record.value.as_object();
    for (const auto& [name, field] : templates_.fields) {
      Result<JsonValue> value = field.value(JsonValue(visible));
      if (!value) return at(record.place, name, value.error());
      if (source_.keep_fields) stored.set(name, *value);
      visible.set(name, std::move(*value));
    }
    Document document{
        JsonValue(std::move(stored)), JsonValue(std::move(visible)), record.place, {}};
    if (!source_.where.empty()) {
      const Result<std::string> kept = templates_.where.text(document.visible);
      if (!kept) return at(record.place, "where", kept.error());
      if (kept->empty() || *kept == "0" || *kept == "False") return {};
    }
    Result<std::string> subtask = templates_.subtask.text(document.visible);
    if (!subtask) return at(record.place, "subtask", subtask.error());
    document.subtask = std::move(*subtask);
    out_.push_back(std::move(document));
    return {};
  }

  const fs::path& folder_;
  const SourceSpec& source_;
  SourceTemplates templates_;
  std::map<std::string, std::string> side_texts_;
  std::vector<Document>& out_;
  std::string path_;
};

std::vector<fs::path> matching(const fs::path& folder, const std::string& pattern) {
  io::SearchNotes notes;
  const fs::path path = folder / pattern;
  if (!io::is_glob(pattern)) {
    return fs::is_regular_file(path) ? std::vector<fs::path>{path} : std::vector<fs::path>{};
  }
  return io::expand_glob(path.string(), notes);
}

}  // namespace

bool files_are_there(const fs::path& folder, const std::vector<std::string>& patterns) {
  return std::all_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) {
    return !matching(folder, pattern).empty();
  });
}

Result<std::vector<Document>> read_documents(const fs::path& folder,
                                             const std::vector<std::string>& patterns,
                                             const SourceSpec& source) {
  std::vector<Document> documents;
  DocumentMaker maker(folder, source, documents);
  for (const std::string& pattern : patterns) {
    const std::vector<fs::path> paths = matching(folder, pattern);
    if (paths.empty()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("{}: no such file", (folder / pattern).string()));
    }
    for (const fs::path& path : paths) {
      Result<std::vector<Record>> records = read_records(path, source);
      if (!records) return tl::unexpected(records.error());
      const std::string file = fs::path(io::without_compression(path.string())).stem().string();
      maker.begin_file(path.lexically_relative(folder).generic_string());
      for (Record& record : *records) {
        const Result<void> added = maker.add(std::move(record), file);
        if (!added) return tl::unexpected(added.error());
      }
    }
  }
  return documents;
}

}  // namespace fathom::eval
