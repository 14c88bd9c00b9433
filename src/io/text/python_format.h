#pragma once
// How Python writes values: chat templates put them into prompts and lm-eval hashes them, so every
// character counts.
#include <string>
#include <string_view>

namespace fathom::io {

/// repr(float): the fewest digits that read back the same, fixed from 1e-4 up to below 1e16: "1.0",
/// "1e-05", "1e+16", "-0.0"; "nan", "inf", "-inf".
std::string python_float(double value);

/// json.dumps(text, ensure_ascii=False), behind what is in `out`. `text` is UTF-8.
void append_python_string(std::string_view text, std::string& out);

}  // namespace fathom::io
