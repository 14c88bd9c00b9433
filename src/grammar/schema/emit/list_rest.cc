#include "grammar/schema/emit/list_rest.h"

#include <algorithm>

namespace fathom::grammar::schema {

ListRest::ListRest(RuleArena& rules, Parts parts)
    : rules_(rules),
      parts_(std::move(parts)),
      all_met_(std::max<size_t>(parts_.special.size(), 1) - 1) {
  cap_ = std::max<u32>(parts_.max == kUnbounded ? parts_.min : parts_.max, 1);
  known_.resize((size_t{cap_} + 1) * (all_met_ + 1));
}

Expr ListRest::after(u32 count, size_t met) {
  const size_t at = count * (all_met_ + 1) + met;
  if (!known_[at]) {
    const Expr expr = met == all_met_ ? without_demands(count) : compute(count, met);
    known_[at] = expr;
  }
  return *known_[at];
}

Expr ListRest::without_demands(u32 count) {
  const auto [comma, plain, special, min, max, close, close_empty] = parts_;
  if (count > max) return rules_.nothing();
  u32 least = min > count ? min - count : 0;
  u32 most = max == kUnbounded ? max : max - count;
  const Expr separated = rules_.sequence(comma, plain);
  if (count > 0) return rules_.sequence(rules_.repeat(separated, least, most), close);
  Expr some = rules_.nothing();
  if (most > 0) {
    least = least == 0 ? 0 : least - 1;
    most = most == kUnbounded ? most : most - 1;
    some = rules_.sequence({plain, rules_.repeat(separated, least, most), close});
  }
  return min == 0 ? rules_.choice(close_empty, some) : some;
}

Expr ListRest::compute(u32 count, size_t met) {
  if (count >= parts_.max) return rules_.nothing();
  std::vector<Expr> choices;
  for (size_t meets = 1; meets <= all_met_; ++meets) {
    if ((meets & met) != 0) continue;
    choices.push_back(
        rules_.sequence(element(count, parts_.special[meets]), after(next(count), met | meets)));
  }
  // Where counts no longer matter any number of plain elements may come before that.
  if (count > 0 && parts_.max == kUnbounded && count >= parts_.min) {
    return rules_.sequence(
        rules_.repeat(rules_.sequence(parts_.comma, parts_.plain), 0, kUnbounded),
        rules_.choice(std::move(choices)));
  }
  choices.push_back(rules_.sequence(element(count, parts_.plain), after(next(count), met)));
  return rules_.choice(std::move(choices));
}

}  // namespace fathom::grammar::schema
