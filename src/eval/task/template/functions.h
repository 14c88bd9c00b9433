#pragma once
// The functions of expressions.
//
//   of a text (of a list: of each of its texts)
//     strip  strip_left  strip_right  lower  upper  capitalize
//     replace(from, to)  sub(regex, to)  append(text)  prepend(text)  split(separator)
//     before(text), after(text): up to, or behind, its first occurrence
//     before_last(text), after_last(text): the same of its last one
//     find(regex), find_last(regex): its first or last match (of groups the first that holds
//     something) without white space around it, "" without
//     boxed: what stands in the last \boxed{}
//     without_last_character  lower_first
//     int: the integer that it spells       text: any value as Python's str() shows it
//   of a list
//     join(separator)  size  letters: ['A', 'B', ...], as many
//     lettered(between): "A" + between + each    shuffle(seed): in an order of its own
//     slice(begin, end): elements, or of a text characters, as Python counts them
//     flat: of a list of lists
//     drop_spans: DROP's answers as lists of spans
//   of an object
//     pairs: [name, value] of each member
//     values: its members' values    member(name): one of them
//     member_or(name, value): the value where there is none
//   of any value
//     index(list): where it stands there    pick(list): the list's element of this index
//     to_json: as JSON text, of a text also a literal of Python    from_json: what a text spells
//     minus(n)  plus(n)   between(a, b), equals(value): 1 or 0   or(value): that in place of null
//     or ""
#include <span>
#include <string>

#include "base/error.h"
#include "base/types.h"
#include "io/json.h"

namespace fathom::eval {

/// What is wrong with a call: "" if there is such a function with so many arguments.
std::string check_function(const std::string& name, i64 num_arguments);

/// kInvalidInput names the function, what it expected and what it found.
Result<io::JsonValue> apply_function(const std::string& name, const io::JsonValue& value,
                                     std::span<const io::JsonValue> arguments);

}  // namespace fathom::eval
