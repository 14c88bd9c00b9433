#pragma once
// What a command can be given. CLI11 does the work behind it: its header alone takes a compiler
// three seconds, so that no other header and no command includes it (src/cli/README.md says which
// files do).
#include <string>
#include <vector>

#include "cli/arguments/value_check.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace fathom::cli {

/// A handle of one declared option or flag; what a function says holds from then on. They return
/// the handle, to be written one behind the other.
class Option {
 public:
  explicit Option(CLI::Option& option) : option_(&option) {}

  Option required();
  Option check(const ValueCheck& check);                 // of each value
  Option one_of(const std::vector<std::string>& names);  // each value is
  Option type_name(const std::string& name);             // what help shows for the value: FILE
  Option show_default();                                 // help shows what the variable holds now
  Option delimiter(char between);                        // a,b is two values
  Option one_value_each();  // of a list: several values by several options, not --a 1 2
  Option needs(Option other);
  Option excludes(Option other);

  bool operator==(const Option& other) const = default;

 private:
  CLI::Option* option_;
};

/// A handle of the whole command line, of one command's part of it, or of a group of options in
/// that. The variables that are bound are set by parsing, and live until then.
class Arguments {
 public:
  Arguments() = default;  // of nothing, until one is assigned
  explicit Arguments(CLI::App& parser) : parser_(&parser) {}

  Arguments add_command(const std::string& name, const std::string& help);
  void require_command();
  Arguments add_group(const std::string& name, const std::string& help);
  void require_one();  // of the group's options, exactly
  void allow_one();    // of the group's options, or none

  /// "-m,--model" or, by its place, "model". T: std::string, int, i64, u64, float, double, or a
  /// std::vector of std::string, i64 or double.
  template <typename T>
  Option add_option(const std::string& names, T& value, const std::string& help);
  /// "--json", or "--think,!--no-think" for both. T: bool, or std::optional<bool>.
  template <typename T>
  Option add_flag(const std::string& names, T& value, const std::string& help);
  /// Below the options in help.
  void footer(const std::string& text);

  /// One that was added.
  Option option(const std::string& name) const;
  /// After parsing: the option, or this command, stood on the command line.
  bool given(const std::string& option) const;
  bool chosen() const;

  CLI::App& parser() const { return *parser_; }

 private:
  CLI::App* parser_ = nullptr;
};

}  // namespace fathom::cli
