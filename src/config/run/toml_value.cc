#include "config/run/toml_value.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

namespace fathom {
namespace {

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

}  // namespace

std::string assign(const toml::node& node, const Field& field) {
  return std::visit(Assign(node, field.range), field.value);
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

}  // namespace fathom
