// How far a state lets a string of plain characters go.
#include <algorithm>

#include "grammar/match/automaton.h"

namespace fathom::grammar {
namespace {

/// Inside a UTF-8 character: how many continuation bytes are to come, and whether the next one is
/// limited (Unicode table 3-7).
enum Inside : u8 { kBetween, kOne, kTwo, kThree, kAfterE0, kAfterEd, kAfterF0, kAfterF4 };

struct ByteStep {
  u8 first, last;
  Inside next;
};

std::span<const ByteStep> byte_steps(u32 inside) {
  static constexpr std::array<ByteStep, 11> kBetweenSteps{{{0x20, 0x21, kBetween},
                                                           {0x23, 0x5B, kBetween},
                                                           {0x5D, 0x7F, kBetween},
                                                           {0xC2, 0xDF, kOne},
                                                           {0xE0, 0xE0, kAfterE0},
                                                           {0xE1, 0xEC, kTwo},
                                                           {0xED, 0xED, kAfterEd},
                                                           {0xEE, 0xEF, kTwo},
                                                           {0xF0, 0xF0, kAfterF0},
                                                           {0xF1, 0xF3, kThree},
                                                           {0xF4, 0xF4, kAfterF4}}};
  static constexpr std::array<std::array<ByteStep, 1>, 8> kInside{{{{{1, 0, kBetween}}},
                                                                   {{{0x80, 0xBF, kBetween}}},
                                                                   {{{0x80, 0xBF, kOne}}},
                                                                   {{{0x80, 0xBF, kTwo}}},
                                                                   {{{0xA0, 0xBF, kOne}}},
                                                                   {{{0x80, 0x9F, kOne}}},
                                                                   {{{0x90, 0xBF, kTwo}}},
                                                                   {{{0x80, 0x8F, kTwo}}}}};
  return inside == kBetween ? std::span<const ByteStep>(kBetweenSteps)
                            : std::span<const ByteStep>(kInside[inside]);
}

constexpr i64 kForever = 1 << 30;

}  // namespace

void Automaton::find_utf8_steps() {
  for (u32 inside = 0; inside < utf8_steps_.size(); ++inside) {
    for (const ByteStep& bytes : byte_steps(inside)) {
      for (u32 byte = bytes.first; byte <= bytes.last; ++byte) {
        const u8 byte_class = class_of_[byte];
        const bool known = std::ranges::any_of(utf8_steps_[inside], [&](const Utf8Step& step) {
          return step.byte_class == byte_class && step.next == bytes.next;
        });
        if (!known) utf8_steps_[inside].push_back({byte_class, static_cast<u8>(bytes.next)});
      }
    }
  }
}

// Read off the expression, where that tells: any character, so and so many times. 0: it does not.
i64 Automaton::stated_reach(Regex regex) {
  RegexArena& regexes = rules_.regexes();
  i64 reach = 0;
  switch (regexes.kind(regex)) {
    case RegexKind::kConcat:
      if (regexes.may_match_nothing(regexes.children(regex)[1])) return 0;
      return stated_reach(regexes.children(regex)[0]);
    case RegexKind::kIntersect:
      // Whatever came of an endless text, one longer than all that are excluded may still come.
      for (const Regex part : regexes.children(regex)) {
        const bool excludes = regexes.kind(part) == RegexKind::kComplement;
        if (excludes && regexes.is_finite(regexes.children(part)[0])) continue;
        if (reach != 0 || stated_reach(part) != kForever) return 0;
        reach = kForever;
      }
      return reach;
    case RegexKind::kAlternate:
      for (const Regex choice : regexes.children(regex))
        reach = std::max(reach, stated_reach(choice));
      return reach;
    case RegexKind::kRepeat:
      break;
    default:
      return 0;
  }
  const Regex each = regexes.children(regex)[0];
  auto takes_all = takes_plain_.find(static_cast<u64>(each));
  if (!takes_all) {
    const Regex missing = regexes.subtract(plain_character_, each);
    takes_all = regexes.matches_nothing(missing) ? 1 : 0;
    takes_plain_.insert(static_cast<u64>(each), *takes_all);
  }
  if (*takes_all == 0 || regexes.may_match_nothing(each)) return 0;
  return regexes.max(regex) == kUnbounded ? kForever : i64{regexes.max(regex)};
}

// Puts the places after any one character in the place of `places`; false if some character may not
// come.
bool Automaton::follow_character(std::vector<Place>& places) {
  std::vector<Place> open = places, done;
  std::vector<Place> seen;
  while (!open.empty()) {
    const Place place = open.back();
    open.pop_back();
    for (const auto [byte_class, inside] : utf8_steps_[place.inside]) {
      const State after = next(place.state, rules_.regexes().classes().member(byte_class));
      if (after == kDead) return false;
      std::vector<Place>& list = inside == 0 ? done : seen;
      const Place reached{after, inside};
      if (std::ranges::count(list, reached) > 0) continue;
      list.push_back(reached);
      if (inside != 0) open.push_back(reached);
    }
  }
  places = std::move(done);
  return true;
}

i64 Automaton::plain_reach(State state, i64 limit) {
  if (const auto known = reach_.find(state)) return *known;
  i64 stated = 0;
  for (u32 i = first_thread_[state]; i < first_thread_[state + 1]; ++i) {
    stated = std::max(stated, stated_reach(threads_[i].regex));
  }
  const i64 reach = stated > 0 ? stated : explored_reach(state, limit);
  reach_.insert(state, static_cast<u32>(reach));
  return reach;
}

i64 Automaton::explored_reach(State state, i64 limit) {
  constexpr size_t kMaxPlaces = 24;  // looking at more costs more than it saves
  std::vector<Place> places{{state, 0}};
  std::vector<Place> visited = places;
  i64 reach = 0;
  while (reach < limit && visited.size() <= kMaxPlaces) {
    if (!follow_character(places)) break;
    ++reach;
    const size_t before = visited.size();
    for (const Place& place : places) {
      if (std::ranges::count(visited, place) == 0) visited.push_back(place);
    }
    if (visited.size() == before) return kForever;  // nothing new can be reached
    // One state alone whose reach is known settles it.
    if (places.size() == 1) {
      if (const auto known = reach_.find(places[0].state))
        return std::min(kForever, reach + *known);
    }
  }
  return reach;
}

}  // namespace fathom::grammar
