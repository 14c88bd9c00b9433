#pragma once
// One value of a TOML file and one field. Internal to run/: only .cc files include this (it pulls
// in the whole of toml++).
#include <string>

#include "config/field_list.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace fathom {

/// Puts the value into the field. Returns what was expected if it is not that: "an integer",
/// "0 to 1"; empty if all is well.
std::string assign(const toml::node& node, const Field& field);

/// The value as a message names it.
std::string describe_node(const toml::node& node);

}  // namespace fathom
