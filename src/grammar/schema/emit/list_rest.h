#pragma once
// The elements of an array or object that are all alike, some of which must be special.
#include <algorithm>
#include <optional>
#include <vector>

#include "grammar/rules/rule_arena.h"

namespace fathom::grammar::schema {

/// What may follow once some elements have been said. Elements are separated by commas, `min` to
/// `max` of them in all, those said before included.
class ListRest {
 public:
  struct Parts {
    Expr comma;
    Expr plain;
    /// By set of demands, as bits: an element that meets all of that set. The first is not used.
    /// Every demand has to be met by some element.
    std::vector<Expr> special;
    u32 min = 0, max = kUnbounded;
    Expr close, close_empty;
  };
  ListRest(RuleArena& rules, Parts parts);

  /// Counts from here on need not be told apart.
  u32 cap() const { return cap_; }
  /// After `count` elements, at most cap().
  Expr after(u32 count) { return after(count, 0); }
  /// After `count` elements, however many.
  Expr after_exactly(u32 count) {
    return count > parts_.max ? rules_.nothing() : after(std::min(count, cap_));
  }
  /// `element`, with a comma if others stand before it.
  Expr element(u32 count, Expr element) {
    return count == 0 ? element : rules_.sequence(parts_.comma, element);
  }
  u32 next(u32 count) const { return count < cap_ ? count + 1 : cap_; }

 private:
  Expr after(u32 count, size_t met);
  Expr without_demands(u32 count);
  Expr compute(u32 count, size_t met);

  RuleArena& rules_;
  const Parts parts_;
  const size_t all_met_;
  u32 cap_;
  std::vector<std::optional<Expr>> known_;
};

}  // namespace fathom::grammar::schema
