#pragma once
// Text for pages: everything that comes from names and configs passes through here.
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"

namespace fathom::report {

/// For element content and quoted attributes: & < > " ' are escaped, control characters and
/// bytes that are no UTF-8 become U+FFFD.
std::string html_escape(std::string_view text);

/// A JSON string with its quotes that may stand inside <script>: `<` is \u003c.
std::string script_string(std::string_view text);

/// Six significant digits; null if it is not finite.
std::string script_number(double value);

std::string base64(std::string_view bytes);

/// Replaces every {{name}} of `page` by its text, in one pass: what is put in is not looked at.
/// Our bug if a name is unknown.
std::string fill_page(std::string_view page,
                      std::initializer_list<std::pair<std::string_view, std::string_view>> texts);

// Numbers as people read them.
std::string format_seconds(double seconds);           // "2 h 05 min", "41 s"
std::string format_utc(double unix_time);             // "2026-11-25 03:04 UTC"
std::string format_unix(double unix_time);            // "1764039840": whole seconds, cut off too
std::string format_figure(double value, int digits);  // fixed digits; "–" if it is not finite
std::string format_short(double value);               // three significant digits: "2.2e-4", "0.31"

}  // namespace fathom::report
