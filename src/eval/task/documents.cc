#include "eval/task/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "eval/task/records.h"
#include "eval/task/template/template.h"
#include "io/text/byte_reader.h"
#include "io/text/glob.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;
using io::JsonObject;
using io::JsonValue;

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
