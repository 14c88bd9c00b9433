#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "config/run/run_file.h"

namespace fathom {
namespace {

/// The fewest digits that read back the same; TOML writes infinity as inf.
std::string number(double value) {
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return fmt::format("{}", value);
}

template <typename T, typename Write>
std::string list_of(const std::vector<T>& values, Write&& write) {
  std::string text = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += ", ";
    text += write(values[i]);
  }
  return text + "]";
}

/// A leaf's value as TOML.
struct WriteValue {
  std::string operator()(const bool* value) const { return *value ? "true" : "false"; }
  std::string operator()(const i64* value) const { return fmt::format("{}", *value); }
  std::string operator()(const double* value) const { return number(*value); }
  std::string operator()(const std::string* value) const { return toml_string(*value); }
  std::string operator()(const std::vector<i64>* value) const {
    return list_of(*value, [](i64 element) { return fmt::format("{}", element); });
  }
  std::string operator()(const std::vector<double>* value) const { return list_of(*value, number); }
  std::string operator()(const std::vector<std::string>* value) const {
    return list_of(*value, toml_string);
  }
  std::string operator()(const ChoiceValue& choice) const {
    return toml_string(choice.names.at(choice.get()));
  }
  std::string operator()(const TableValue&) const { return ""; }
  std::string operator()(const NamedTablesValue&) const { return ""; }
};

bool is_leaf(const Field& field) {
  return !std::holds_alternative<TableValue>(field.value) &&
         !std::holds_alternative<NamedTablesValue>(field.value);
}

struct NamedList {
  std::string key;  // "data.train.code"
  FieldList list;
};

/// The tables directly inside `list`.
std::vector<NamedList> tables_of(const FieldList& list, const std::string& prefix) {
  std::vector<NamedList> tables;
  for (const Field& field : list.fields()) {
    const std::string key = prefix + std::string(field.name);
    if (const auto* table = std::get_if<TableValue>(&field.value)) {
      tables.push_back({key, table->fields()});
    } else if (const auto* named = std::get_if<NamedTablesValue>(&field.value)) {
      for (const std::string& name : named->names()) {
        tables.push_back({fmt::format("{}.{}", key, name), named->at(name)});
      }
    }
  }
  return tables;
}

void write_table(const FieldList& list, const std::string& key, std::string& out) {
  const bool has_leaves = std::ranges::any_of(list.fields(), is_leaf);
  if (!key.empty() && has_leaves) out += fmt::format("{}[{}]\n", out.empty() ? "" : "\n", key);
  for (const Field& field : list.fields()) {
    if (is_leaf(field)) {
      out += fmt::format("{} = {}\n", field.name, std::visit(WriteValue(), field.value));
    }
  }
  for (const NamedList& table : tables_of(list, key.empty() ? "" : key + ".")) {
    write_table(table.list, table.key, out);
  }
}

struct Leaf {
  std::string key;
  std::string value;
};

void collect(const FieldList& list, const std::string& prefix, std::vector<Leaf>& leaves) {
  for (const Field& field : list.fields()) {
    if (!is_leaf(field)) continue;
    leaves.push_back({prefix + std::string(field.name), std::visit(WriteValue(), field.value)});
  }
  for (const NamedList& table : tables_of(list, prefix)) {
    collect(table.list, table.key + ".", leaves);
  }
}

std::string value_of(const std::vector<Leaf>& leaves, const std::string& key) {
  const auto found = std::ranges::find(leaves, key, &Leaf::key);
  return found == leaves.end() ? "" : found->value;
}

struct DocLine {
  std::string setting;  // "data.seed = 0"
  std::string_view doc;
};

void document(const FieldList& list, const std::string& prefix, std::vector<DocLine>& lines) {
  for (const Field& field : list.fields()) {
    const std::string key = prefix + std::string(field.name);
    if (const auto* table = std::get_if<TableValue>(&field.value)) {
      document(table->fields(), key + ".", lines);
    } else if (const auto* named = std::get_if<NamedTablesValue>(&field.value)) {
      lines.push_back({fmt::format("[{}.NAME]", key), field.doc});
      document(named->prototype(), key + ".NAME.", lines);
    } else {
      lines.push_back(
          {fmt::format("{} = {}", key, std::visit(WriteValue(), field.value)), field.doc});
    }
  }
}

}  // namespace

std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string write_run_file(const FieldList& root) {
  std::string out;
  write_table(root, "", out);
  return out;
}

std::string describe_run_file(const FieldList& root) {
  std::vector<DocLine> lines;
  document(root, "", lines);
  size_t width = 0;
  for (const DocLine& line : lines)
    width = std::max(width, std::min<size_t>(line.setting.size(), 44));
  std::string out;
  for (const DocLine& line : lines) {
    out += fmt::format("{:<{}}  {}\n", line.setting, width, line.doc);
  }
  return out;
}

std::vector<ConfigDifference> compare_configs(const FieldList& before, const FieldList& after) {
  std::vector<Leaf> old_leaves, new_leaves;
  collect(before, "", old_leaves);
  collect(after, "", new_leaves);
  std::vector<ConfigDifference> differences;
  for (const Leaf& leaf : old_leaves) {
    std::string now = value_of(new_leaves, leaf.key);
    if (now != leaf.value) differences.push_back({leaf.key, leaf.value, std::move(now)});
  }
  for (const Leaf& leaf : new_leaves) {
    if (value_of(old_leaves, leaf.key).empty()) differences.push_back({leaf.key, "", leaf.value});
  }
  return differences;
}

}  // namespace fathom
