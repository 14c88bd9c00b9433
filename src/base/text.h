#pragma once
// Small text helpers for messages and tables.
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom {

/// 1536 -> "1.5 KiB"; exact below 1 KiB.
std::string format_bytes(i64 bytes);
/// 671026404352 -> "671.026 B", 2660000 -> "2.660 M": counts in powers of ten, three decimals.
std::string format_count(i64 count);
/// `text` with control characters (but tab and line feed) as "\\x1b": what came from a file or a
/// request must not drive a terminal.
std::string printable(std::string_view text);
/// The candidate nearest to `word` by edit distance if near enough to be a typing error, else "".
std::string nearest_name(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace fathom
