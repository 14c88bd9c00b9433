#pragma once
// Run files: TOML over the field lists of config structs (field_list.h). One mechanism reads a file
// and `--set` into typed structs, writes the resolved file back, documents every key and shows what
// changed since a checkpoint.
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/field_list.h"

namespace fathom {

/// Largest run file that is read.
inline constexpr i64 kMaxRunFileBytes = i64{1} << 20;

/// Reads `path` and then `settings` ("data.seed=7", in order, later ones win) into the struct
/// behind `root`; fields that neither names keep what they hold. The Error lists ALL problems:
/// syntax with its line, unknown keys with the nearest known one, wrong types, numbers out of
/// range, and what the structs' own check() finds. After an Error the struct is half filled: throw
/// it away. kNotFound: no such file.
[[nodiscard]] Result<void> read_run_file(const std::filesystem::path& path,
                                         std::span<const std::string> settings,
                                         const FieldList& root);
/// The same from text; `where` names it in messages.
[[nodiscard]] Result<void> parse_run_file(std::string_view text, const std::string& where,
                                          std::span<const std::string> settings,
                                          const FieldList& root);

/// Every field with its value, as TOML that reads back to the same struct.
std::string write_run_file(const FieldList& root);

/// `text` as a TOML basic string with its quotes.
std::string toml_string(std::string_view text);

/// One line a key: "data.fim_rate = 0.1    share of training documents ...". Tables under names of
/// the user's choice appear once, as data.train.NAME.weight.
std::string describe_run_file(const FieldList& root);

/// A field that two configs of the same struct type hold differently.
struct ConfigDifference {
  std::string key;     // "data.train.code.weight"
  std::string before;  // as TOML; empty if only `after` has the key
  std::string after;
};
std::vector<ConfigDifference> compare_configs(const FieldList& before, const FieldList& after);

}  // namespace fathom
