#pragma once
// The command line of what serves: flags that set keys of a configuration, a file, the environment.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "config/field_list.h"

namespace fathom::cli {

/// A flag and the key of the configuration that it sets. A list's values are split at commas.
struct ServiceFlag {
  const char* names;
  const char* key;
  const char* help;
  const char* type;
  bool is_list = false;
};

/// --config, the command's own flags, --set, --print-config and --keys. What stands later here
/// wins: defaults, file, environment (`prefix` SECTION_KEY), flags, --set.
class ServiceOptions {
 public:
  ServiceOptions(std::string_view prefix, std::span<const ServiceFlag> flags);

  void add(Arguments& command);
  /// Throws Error for what is wrong in any of them.
  void read(const FieldList& fields) const;
  /// --keys: the keys of a configuration with its defaults are printed.
  bool asks_for_keys() const { return keys_; }
  /// --print-config: the resolved one is printed.
  bool asks_for_config() const { return print_config_; }

 private:
  std::string_view prefix_;
  std::span<const ServiceFlag> flags_;
  std::string config_file_;
  std::vector<std::string> values_;  // of the flags; "": not given
  std::vector<std::string> settings_;
  bool print_config_ = false, keys_ = false;
};

}  // namespace fathom::cli
