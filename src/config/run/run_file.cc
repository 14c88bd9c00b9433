#include "config/run/run_file.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "base/text.h"
#include "io/mapped_file.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace fathom {
namespace {

/// Names of the user's choice become parts of keys, metric names and messages.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
  return !name.empty() && name.size() <= 64 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

std::string describe_node(const toml::node& node) {
  const auto quoted = [](const std::string& text) {
    return text.size() <= 60 ? text : text.substr(0, 60) + "...";
  };
  if (const auto* value = node.as_string()) {
    return fmt::format("the string \"{}\"", quoted(value->get()));
  }
  if (const auto* value = node.as_integer()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_floating_point()) return fmt::format("{}", value->get());
  if (const auto* value = node.as_boolean()) return value->get() ? "true" : "false";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  return "a date or time";
}

std::string list_names(const std::vector<std::string_view>& names) {
  std::string text;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " or " : ", ";
    text += fmt::format("\"{}\"", names[i]);
  }
  return text;
}

/// 1e9 is an integer where an integer is wanted.
std::optional<i64> integer_of(const toml::node& node) {
  if (const auto* value = node.as_integer()) return value->get();
  const auto* value = node.as_floating_point();
  if (value == nullptr || std::abs(value->get()) > 0x1.0p53) return std::nullopt;
  if (std::trunc(value->get()) != value->get()) return std::nullopt;
  return static_cast<i64>(value->get());
}

std::optional<double> number_of(const toml::node& node) {
  if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
  const auto* value = node.as_floating_point();
  if (value == nullptr || std::isnan(value->get())) return std::nullopt;
  return value->get();
}

/// Puts one TOML value into one field. Each operator() returns what was expected, if it is not
/// that.
class Assign {
 public:
  Assign(const toml::node& node, const Range& range) : node_(node), range_(range) {}

  std::string operator()(bool* member) const {
    if (!node_.is_boolean()) return "true or false";
    *member = node_.as_boolean()->get();
    return "";
  }
  std::string operator()(i64* member) const {
    const auto value = integer_of(node_);
    if (!value) return "an integer";
    *member = *value;
    return out_of_range(static_cast<double>(*value));
  }
  std::string operator()(double* member) const {
    const auto value = number_of(node_);
    if (!value) return "a number";
    *member = *value;
    return out_of_range(*value);
  }
  std::string operator()(std::string* member) const {
    if (!node_.is_string()) return "a string";
    *member = node_.as_string()->get();
    return "";
  }
  std::string operator()(std::vector<i64>* member) const {
    return read_list(member, "an integer or an array of integers", integer_of);
  }
  std::string operator()(std::vector<double>* member) const {
    return read_list(member, "a number or an array of numbers", number_of);
  }
  std::string operator()(std::vector<std::string>* member) const {
    return read_list(member, "a string or an array of strings", [](const toml::node& node) {
      return node.is_string() ? std::optional(node.as_string()->get()) : std::nullopt;
    });
  }
  std::string operator()(const ChoiceValue& choice) const {
    if (node_.is_string()) {
      for (size_t i = 0; i < choice.names.size(); ++i) {
        if (choice.names[i] == node_.as_string()->get()) {
          choice.set(i);
          return "";
        }
      }
    }
    return list_names(choice.names);
  }
  std::string operator()(const TableValue&) const { return "a table"; }
  std::string operator()(const NamedTablesValue&) const { return "tables under names"; }

 private:
  std::string out_of_range(double value) const {
    if (value >= range_.min && value <= range_.max) return "";
    if (std::isinf(range_.max)) return fmt::format("at least {}", range_.min);
    if (std::isinf(range_.min)) return fmt::format("at most {}", range_.max);
    return fmt::format("{} to {}", range_.min, range_.max);
  }

  /// One value stands for a list of one.
  template <typename T, typename Read>
  std::string read_list(std::vector<T>* member, std::string expected, Read&& read) const {
    std::vector<T> values;
    const auto append = [&](const toml::node& node) {
      auto value = read(node);
      if (value) values.push_back(std::move(*value));
      return value.has_value();
    };
    if (const auto* array = node_.as_array()) {
      for (const toml::node& element : *array) {
        if (!append(element)) return expected;
      }
    } else if (!append(node_)) {
      return expected;
    }
    *member = std::move(values);
    return "";
  }

  const toml::node& node_;
  const Range& range_;
};

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
    const std::string expected = std::visit(Assign(node, field.range), field.value);
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
  const toml::parse_result parsed = toml::parse("v = " + text + "\n");
  const toml::parse_result bare = toml::parse("v = " + toml_string(text) + "\n");
  if (!bare) return problems.invalid(key, "--set with text that is not UTF-8");
  const toml::node* node = parsed ? parsed.table().get("v") : nullptr;
  const bool is_toml = node != nullptr && parsed.table().size() == 1;
  if (!is_toml || (takes_text(field->value) && !node->is_string() && !node->is_array())) {
    node = bare.table().get("v");
  }
  const std::string expected = std::visit(Assign(*node, field->range), field->value);
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

void FieldList::append(std::string_view name, FieldValue value, std::string_view doc, Range range) {
  fields_.push_back({name, std::move(value), doc, range});
}

const Field* FieldList::find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

Result<void> parse_run_file(std::string_view text, const std::string& where,
                            std::span<const std::string> settings, const FieldList& root) {
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
