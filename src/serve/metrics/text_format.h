#pragma once
// Prometheus's text format, line by line.
#include <string>
#include <string_view>

namespace fathom::serve {

/// The lines that say what follows; `kind` is "counter", "gauge" or "histogram".
void write_help(std::string_view name, std::string_view kind, std::string_view help,
                std::string& out);
/// These, and one value. `labels`: `model="x"`.
void write_value(std::string_view name, std::string_view kind, std::string_view help,
                 std::string_view labels, double value, std::string& out);
/// A label's value with what the format escapes.
std::string label_text(std::string_view text);

}  // namespace fathom::serve
