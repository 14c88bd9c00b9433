#include "cli/arguments/arguments.h"

#include <CLI/CLI.hpp>
#include <optional>

#include "base/types.h"

namespace fathom::cli {

Option Option::required() {
  option_->required();
  return *this;
}

Option Option::check(const ValueCheck& check) {
  option_->check(
      CLI::Validator([check](std::string& text) { return check.problem(text); }, check.shown));
  return *this;
}

Option Option::one_of(const std::vector<std::string>& names) {
  option_->check(CLI::IsMember(names));
  return *this;
}

Option Option::type_name(const std::string& name) {
  option_->type_name(name);
  return *this;
}

Option Option::show_default() {
  option_->capture_default_str();
  return *this;
}

Option Option::delimiter(char between) {
  option_->delimiter(between);
  return *this;
}

Option Option::one_value_each() {
  option_->allow_extra_args(false);
  return *this;
}

Option Option::needs(Option other) {
  option_->needs(other.option_);
  return *this;
}

Option Option::excludes(Option other) {
  option_->excludes(other.option_);
  return *this;
}

Arguments Arguments::add_command(const std::string& name, const std::string& help) {
  return Arguments(*parser_->add_subcommand(name, help));
}

void Arguments::require_command() { parser_->require_subcommand(1); }

Arguments Arguments::add_group(const std::string& name, const std::string& help) {
  return Arguments(*parser_->add_option_group(name, help));
}

void Arguments::require_one() { parser_->require_option(1); }
void Arguments::allow_one() { parser_->require_option(0, 1); }

template <typename T>
Option Arguments::add_option(const std::string& names, T& value, const std::string& help) {
  return Option(*parser_->add_option(names, value, help));
}

template <typename T>
Option Arguments::add_flag(const std::string& names, T& value, const std::string& help) {
  return Option(*parser_->add_flag(names, value, help));
}

void Arguments::footer(const std::string& text) { parser_->footer(text); }

Option Arguments::option(const std::string& name) const {
  return Option(*parser_->get_option(name));
}

bool Arguments::given(const std::string& option) const {
  return parser_->get_option(option)->count() > 0;
}

bool Arguments::chosen() const { return parser_->parsed(); }

#define FATHOM_OPTION_TYPE(T) \
  template Option Arguments::add_option(const std::string&, T&, const std::string&)
FATHOM_OPTION_TYPE(std::string);
FATHOM_OPTION_TYPE(int);
FATHOM_OPTION_TYPE(i64);
FATHOM_OPTION_TYPE(u64);
FATHOM_OPTION_TYPE(float);
FATHOM_OPTION_TYPE(double);
FATHOM_OPTION_TYPE(std::vector<std::string>);
FATHOM_OPTION_TYPE(std::vector<i64>);
FATHOM_OPTION_TYPE(std::vector<double>);
#undef FATHOM_OPTION_TYPE
template Option Arguments::add_flag(const std::string&, bool&, const std::string&);
template Option Arguments::add_flag(const std::string&, std::optional<bool>&, const std::string&);

}  // namespace fathom::cli
