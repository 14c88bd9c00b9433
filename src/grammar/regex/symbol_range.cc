#include "grammar/regex/symbol_range.h"

#include <algorithm>

namespace fathom::grammar {
namespace {

class SymbolRange {
 public:
  SymbolRange(RegexArena& arena, const Symbols& symbols) : arena_(arena), symbols_(symbols) {}

  Regex between(std::span<const u32> low, std::span<const u32> high) {
    if (low.empty()) return arena_.empty();
    const auto low_rest = low.subspan(1), high_rest = high.subspan(1);
    if (low[0] == high[0]) return arena_.concat(one(low[0]), between(low_rest, high_rest));
    return split(low[0], at_least(low_rest), high[0], at_most(high_rest), std::ssize(low_rest));
  }

 private:
  Regex one(u32 symbol) { return symbols_.between(symbol, symbol); }
  Regex any(i64 count) {
    const auto positions = static_cast<u32>(count);
    return arena_.repeat(symbols_.between(symbols_.first, symbols_.last), positions, positions);
  }
  Regex at_least(std::span<const u32> low) {
    if (low.empty() || std::ranges::count(low, symbols_.first) == std::ssize(low)) {
      return any(std::ssize(low));
    }
    const auto rest = low.subspan(1);
    return split(low[0], at_least(rest), symbols_.last + 1, arena_.nothing(), std::ssize(rest));
  }
  Regex at_most(std::span<const u32> high) {
    if (high.empty() || std::ranges::count(high, symbols_.last) == std::ssize(high)) {
      return any(std::ssize(high));
    }
    const auto rest = high.subspan(1);
    const Regex last = arena_.concat(one(high[0]), at_most(rest));
    if (high[0] == symbols_.first) return last;
    const Regex below =
        arena_.concat(symbols_.between(symbols_.first, high[0] - 1), any(std::ssize(rest)));
    return arena_.alternate(below, last);
  }
  /// `low` and what may follow it, everything strictly between, `high` and what may follow that.
  Regex split(u32 low, Regex after_low, u32 high, Regex after_high, i64 rest) {
    std::vector<Regex> choices{arena_.concat(one(low), after_low)};
    if (low + 1 < high) {
      choices.push_back(arena_.concat(symbols_.between(low + 1, high - 1), any(rest)));
    }
    if (after_high != arena_.nothing()) choices.push_back(arena_.concat(one(high), after_high));
    return arena_.alternate(std::move(choices));
  }

  RegexArena& arena_;
  const Symbols& symbols_;
};

}  // namespace

Regex symbols_between(RegexArena& arena, std::span<const u32> low, std::span<const u32> high,
                      const Symbols& symbols) {
  return SymbolRange(arena, symbols).between(low, high);
}

}  // namespace fathom::grammar
