#include "config/run/run_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "config/run/toml_text.h"
#include "config/run/toml_value.h"
#include "io/mapped_file.h"

namespace fathom {
namespace {

/// Names of the user's choice become parts of keys, metric names and messages.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// Where in the file, or nothing for a --set.
std::string place_of(const toml::node& node) {
  const auto line = node.source().begin.line;
  return line == 0 ? "" : fmt::format(" (line {})", line);
}

std::string unknown_key(std::string_view name, const FieldList& list, const std::string& prefix) {
  std::vector<std::string_view> known;
  for (const Field& field : list.fields()) known.push_back(field.name);
  const std::string nearest = nearest_name(name, known);
  if (!nearest.empty()) return fmt::format("unknown key; did you mean `{}{}`?", prefix, nearest);
  std::string text = "unknown key; known here:";
  for (const std::string_view key : known) text += fmt::format(" {}", key);
  return text;
}

class Reader {
 public:
  explicit Reader(Problems& problems) : problems_(problems) {}

  void read_table(const toml::table& table, const FieldList& list, const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string_view name = key.str();
      const Field* field = list.find(name);
      if (field == nullptr) {
        problems_.invalid(prefix + std::string(name),
                          unknown_key(name, list, prefix) + place_of(node));
        continue;
      }
      read_field(node, *field, prefix + std::string(name));
    }
  }

  void read_field(const toml::node& node, const Field& field, const std::string& key) {
    const toml::table* table = node.as_table();
    if (const auto* value = std::get_if<TableValue>(&field.value); value && table) {
      return read_table(*table, value->fields(), key + ".");
    }
    if (const auto* value = std::get_if<NamedTablesValue>(&field.value); value && table) {
      return read_named_tables(*table, *value, key + ".");
    }
    const std::string expected = assign(node, field);
    if (expected.empty()) return;
    problems_.invalid(
        key, fmt::format("expected {}, found {}{}", expected, describe_node(node), place_of(node)));
  }

 private:
  void read_named_tables(const toml::table& table, const NamedTablesValue& value,
                         const std::string& prefix) {
    for (const auto& [key, node] : table) {
      const std::string name(key.str());
      if (!is_plain_name(name)) {
        problems_.invalid(prefix + name,
                          "a name may have letters, digits, '_' and '-' only" + place_of(node));
      } else if (const toml::table* entry = node.as_table()) {
        read_table(*entry, value.at(name), prefix + name + ".");
      } else {
        problems_.invalid(prefix + name, fmt::format("expected a table, found {}{}",
                                                     describe_node(node), place_of(node)));
      }
    }
  }

  Problems& problems_;
};

/// Of "data.train.code.weight": the list that holds the last part. Reports what stops it on the
/// way.
std::optional<FieldList> find_list(FieldList list, std::string_view path, Problems& problems,
                                   const std::string& setting) {
  std::string prefix;
  while (!path.empty()) {
    const size_t dot = path.find('.');
    const std::string name(path.substr(0, dot));
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
    const Field* field = list.find(name);
    if (field == nullptr) {
      problems.invalid(setting, unknown_key(name, list, prefix));
      return std::nullopt;
    }
    prefix += name + ".";
    if (const auto* table = std::get_if<TableValue>(&field->value)) {
      list = table->fields();
      continue;
    }
    const auto* tables = std::get_if<NamedTablesValue>(&field->value);
    const std::string entry(path.substr(0, path.find('.')));
    if (tables == nullptr || !is_plain_name(entry)) {
      problems.invalid(setting, tables == nullptr
                                    ? fmt::format("`{}` is not a table", name)
                                    : fmt::format("expected a name after `{}`", prefix));
      return std::nullopt;
    }
    list = tables->at(entry);
    prefix += entry + ".";
    path.remove_prefix(std::min(path.size(), entry.size() + 1));
  }
  return list;
}

bool takes_text(const FieldValue& value) {
  return std::holds_alternative<std::string*>(value) ||
         std::holds_alternative<std::vector<std::string>*>(value) ||
         std::holds_alternative<ChoiceValue>(value);
}

/// "key=value": the value is TOML, or bare text where the field is a string.
void apply_setting(const std::string& setting, const FieldList& root, Problems& problems) {
  const std::string where = "--set " + setting;
  const size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0) {
    return problems.invalid(where, "expected section.key=value");
  }
  const std::string_view key = std::string_view(setting).substr(0, equals);
  const std::string text = setting.substr(equals + 1);
  const size_t dot = key.rfind('.');
  const auto list =
      find_list(root, dot == std::string_view::npos ? "" : key.substr(0, dot), problems, where);
  if (!list) return;
  const std::string_view name = dot == std::string_view::npos ? key : key.substr(dot + 1);
  const Field* field = list->find(name);
  if (field == nullptr) {
    return problems.invalid(
        where, unknown_key(name, *list, std::string(key.substr(0, key.size() - name.size()))));
  }
  // Text with a stray character is no TOML value; "" parses to a table without v.
  const bool may_be_toml = !find_stray_character(text);
  const toml::parse_result parsed = toml::parse(may_be_toml ? "v = " + text + "\n" : "");
  const toml::parse_result bare = toml::parse("v = " + toml_string(text) + "\n");
  if (!bare) return problems.invalid(key, "--set with text that is not UTF-8");
  const toml::node* node = parsed ? parsed.table().get("v") : nullptr;
  const bool is_toml = node != nullptr && parsed.table().size() == 1;
  if (!is_toml || (takes_text(field->value) && !node->is_string() && !node->is_array())) {
    node = bare.table().get("v");
  }
  const std::string expected = assign(*node, *field);
  if (!expected.empty()) {
    problems.invalid(where, fmt::format("expected {}, found {}", expected, describe_node(*node)));
  }
}

void check_all(const FieldList& list, const std::string& prefix, Problems& problems) {
  list.check(prefix, problems);
  for (const Field& field : list.fields()) {
    const std::string key = prefix + std::string(field.name) + ".";
    if (const auto* table = std::get_if<TableValue>(&field.value)) {
      check_all(table->fields(), key, problems);
    } else if (const auto* tables = std::get_if<NamedTablesValue>(&field.value)) {
      for (const std::string& name : tables->names()) {
        check_all(tables->at(name), key + name + ".", problems);
      }
    }
  }
}

}  // namespace

Result<void> parse_run_file(std::string_view text, const std::string& where,
                            std::span<const std::string> settings, const FieldList& root) {
  if (const auto stray = find_stray_character(text)) {
    return invalid_input(
        fmt::format("{}:{}:{}: a character outside ASCII; outside of comments it "
                    "must stand in quotes",
                    where, stray->line, stray->column));
  }
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const auto& error = parsed.error();
    return invalid_input(fmt::format("{}:{}:{}: {}", where, error.source().begin.line,
                                     error.source().begin.column, error.description()));
  }
  Problems problems;
  Reader(problems).read_table(parsed.table(), root, "");
  for (const std::string& setting : settings) apply_setting(setting, root, problems);
  if (problems.empty()) check_all(root, "", problems);
  if (!problems.empty()) return tl::unexpected(problems.error(where));
  return {};
}

Result<void> read_run_file(const std::filesystem::path& path, std::span<const std::string> settings,
                           const FieldList& root) {
  auto file = io::MappedFile::open(path);
  if (!file) return tl::unexpected(file.error());
  const auto bytes = file->bytes();
  if (std::ssize(bytes) > kMaxRunFileBytes) {
    return invalid_input(fmt::format("{}: a run file may have {}, this has {}", path.string(),
                                     format_bytes(kMaxRunFileBytes),
                                     format_bytes(std::ssize(bytes))));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return parse_run_file(text, path.string(), settings, root);
}

}  // namespace fathom
