#include "cli/serve/service_options.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/serve/process_setup.h"
#include "config/run/run_file.h"
#include "serve/config/serve_config.h"

namespace fathom::cli {
namespace {

std::string quoted_list(const std::string& text) {
  std::string list;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", text.substr(begin, end - begin));
    begin = end + 1;
  }
  return "[" + list + "]";
}

}  // namespace

ServiceOptions::ServiceOptions(std::string_view prefix, std::span<const ServiceFlag> flags)
    : prefix_(prefix), flags_(flags), values_(flags.size()) {}

void ServiceOptions::add(Arguments& command) {
  command.add_option("--config", config_file_, "TOML file; flags stand above it").type_name("FILE");
  for (size_t i = 0; i < flags_.size(); ++i) {
    command.add_option(flags_[i].names, values_[i], flags_[i].help).type_name(flags_[i].type);
  }
  command.add_option("--set", settings_, "Change a key of the configuration; may be repeated")
      .type_name("SECTION.KEY=VALUE")
      .one_value_each();
  command.add_flag("--print-config", print_config_, "Print the resolved configuration");
  command.add_flag("--keys", keys_, "Print every key of the configuration with its default");
}

void ServiceOptions::read(const FieldList& fields) const {
  std::vector<std::string> settings =
      value_or_throw(serve::environment_settings(prefix_, environment_entries(), fields));
  for (size_t i = 0; i < flags_.size(); ++i) {
    if (values_[i].empty()) continue;
    settings.push_back(fmt::format("{}={}", flags_[i].key,
                                   flags_[i].is_list ? quoted_list(values_[i]) : values_[i]));
  }
  settings.insert(settings.end(), settings_.begin(), settings_.end());
  value_or_throw(config_file_.empty() ? parse_run_file("", "options", settings, fields)
                                      : read_run_file(config_file_, settings, fields));
}

}  // namespace fathom::cli
