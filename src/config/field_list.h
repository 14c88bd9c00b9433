#pragma once
// One list of fields per config struct. Reading a TOML file, `--set section.key=value`, range
// checks, the resolved file, `--help` and the difference to a checkpoint's config all run over it
// (run_file.h).
//
//   struct TrainConfig {
//     i64 max_steps = 1000;
//     Schedule schedule = Schedule::kCosine;
//     void list_fields(FieldList& list) {
//       list.add("max_steps", max_steps, "optimizer steps", {.min = 1});
//       list.add("schedule", schedule, kScheduleNames, "shape of the learning rate");
//     }
//     void check(const std::string& prefix, Problems& problems) const;  // optional: rules across
//     fields
//   };
//   struct RunConfig {                                   // the root: its tables are the file's
//   sections
//     TrainConfig train;
//     void list_fields(FieldList& list) { list.add("train", train, "the optimizer's steps"); }
//   };
//
// A default is what the member holds in a fresh struct. The list points into the struct it was made
// from and must not outlive it.
#include <array>
#include <concepts>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/types.h"
#include "config/problems.h"

namespace fathom {

class FieldList;

template <typename Config>
concept ConfigStruct = requires(Config& config, FieldList& list) {
  config.list_fields(list);
};

/// Both ends allowed. For strings and lists nothing is checked.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};

/// A member of enum type; `names` is the enum's one table of spellings.
struct ChoiceValue {
  std::vector<std::string_view> names;
  std::function<size_t()> get;      // index into names
  std::function<void(size_t)> set;  // index into names
};

/// A struct inside the struct: a TOML table under the field's name.
struct TableValue {
  std::function<FieldList()> fields;
};

/// Any number of structs under names that the user chooses: [section.NAME].
struct NamedTablesValue {
  std::function<std::vector<std::string>()> names;
  std::function<FieldList(const std::string& name)> at;  // makes the entry if there is none
  std::function<FieldList()> prototype;                  // a fresh entry, to document its fields
};

using FieldValue =
    std::variant<bool*, i64*, double*, std::string*, std::vector<i64>*, std::vector<double>*,
                 std::vector<std::string>*, ChoiceValue, TableValue, NamedTablesValue>;

struct Field {
  std::string_view name;  // the TOML key
  FieldValue value;
  std::string_view doc;  // one line: meaning, unit, what a default such as 0 or "" stands for
  Range range;
};

class FieldList {
 public:
  template <typename T>
  requires std::constructible_from<FieldValue, T*>
  void add(std::string_view name, T& member, std::string_view doc, Range range = {}) {
    append(name, &member, doc, range);
  }
  /// `table` must live as long as the program: a constexpr array of {enumerator, "spelling"}.
  template <typename E, size_t N>
  void add(std::string_view name, E& member,
           const std::array<std::pair<E, std::string_view>, N>& table, std::string_view doc);
  template <ConfigStruct Config>
  void add(std::string_view name, Config& table, std::string_view doc);
  template <ConfigStruct Config>
  void add(std::string_view name, std::map<std::string, Config>& tables, std::string_view doc);

  const std::vector<Field>& fields() const { return fields_; }
  const Field* find(std::string_view name) const;
  /// Rules across fields of this struct alone; `prefix` is "" or "data.".
  void check(const std::string& prefix, Problems& problems) const {
    if (check_) check_(prefix, problems);
  }

 private:
  template <ConfigStruct Config>
  friend FieldList field_list(Config& config);

  /// Out of line: inlined into a long list_fields, GCC 12 warns falsely inside std::variant.
  void append(std::string_view name, FieldValue value, std::string_view doc, Range range);

  std::vector<Field> fields_;
  std::function<void(const std::string& prefix, Problems& problems)> check_;
  std::vector<std::shared_ptr<void>> owned_;  // what a prototype's list points into
};

template <ConfigStruct Config>
FieldList field_list(Config& config) {
  FieldList list;
  config.list_fields(list);
  if constexpr (requires(const std::string& prefix, Problems& problems) {
                  config.check(prefix, problems);
                }) {
    list.check_ = [&config](const std::string& prefix, Problems& problems) {
      config.check(prefix, problems);
    };
  }
  return list;
}

template <typename E, size_t N>
void FieldList::add(std::string_view name, E& member,
                    const std::array<std::pair<E, std::string_view>, N>& table,
                    std::string_view doc) {
  ChoiceValue choice;
  for (const auto& [value, spelling] : table) choice.names.push_back(spelling);
  choice.get = [&member, &table] {
    size_t i = 0;
    while (i < N && table[i].first != member) ++i;
    return i;
  };
  choice.set = [&member, &table](size_t i) { member = table.at(i).first; };
  append(name, std::move(choice), doc, {});
}

template <ConfigStruct Config>
void FieldList::add(std::string_view name, Config& table, std::string_view doc) {
  append(name, TableValue{[&table] { return field_list(table); }}, doc, {});
}

template <ConfigStruct Config>
void FieldList::add(std::string_view name, std::map<std::string, Config>& tables,
                    std::string_view doc) {
  NamedTablesValue value;
  value.names = [&tables] {
    std::vector<std::string> names;
    names.reserve(tables.size());
    for (const auto& [key, table] : tables) names.push_back(key);
    return names;
  };
  value.at = [&tables](const std::string& key) { return field_list(tables[key]); };
  value.prototype = [] {
    auto fresh = std::make_shared<Config>();
    FieldList list = field_list(*fresh);
    list.owned_.push_back(std::move(fresh));
    return list;
  };
  append(name, std::move(value), doc, {});
}

}  // namespace fathom
