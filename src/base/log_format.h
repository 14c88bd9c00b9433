#pragma once
// The form of the log's lines, for a program that has another one than "I loaded 12 tensors".
#include <string>
#include <string_view>

#include "base/log.h"

namespace fathom::log {

/// Makes a line, without its end, of a message.
using Formatter = std::string (*)(Level level, std::string_view message);
/// For all lines from now on; nullptr: as at the start.
void set_formatter(Formatter formatter);
/// A line that has its form already.
void write_line(Level level, std::string_view line);

}  // namespace fathom::log
