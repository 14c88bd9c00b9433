#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace fathom {
namespace {

/// Levenshtein distance with one row of state.
i64 edit_distance(std::string_view a, std::string_view b) {
  std::vector<i64> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = static_cast<i64>(j);
  for (size_t i = 1; i <= a.size(); ++i) {
    i64 diagonal = row[0];
    row[0] = static_cast<i64>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const i64 substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({substituted, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string format_bytes(i64 bytes) {
  constexpr std::array<const char*, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  if (unit == 0) return fmt::format("{} B", bytes);
  return fmt::format("{:.{}f} {}", value, value < 10 ? 2 : 1, kUnits[unit]);
}

std::string format_count(i64 count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return fmt::format("{:.3f} B", value / 1e9);
  if (count >= 1'000'000) return fmt::format("{:.3f} M", value / 1e6);
  if (count >= 1'000) return fmt::format("{:.3f} K", value / 1e3);
  return fmt::format("{}", count);
}

std::string printable(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    const bool control = (static_cast<u8>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
    if (control) {
      result += fmt::format("\\x{:02x}", static_cast<u8>(c));
    } else {
      result += c;
    }
  }
  return result;
}

std::string nearest_name(std::string_view word, std::span<const std::string_view> candidates) {
  std::string_view best;
  i64 best_distance = std::max<i64>(2, static_cast<i64>(word.size()) / 3) + 1;
  for (const std::string_view candidate : candidates) {
    const i64 distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return std::string(best);
}

}  // namespace fathom
