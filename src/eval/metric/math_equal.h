#pragma once
// Are two answers the same in mathematics?
#include <optional>
#include <string>
#include <string_view>

namespace fathom::eval {

enum class Verdict {
  kEqual,
  kDifferent,
  kUndecided,  // texts differ, and at least one of them is nothing that we can work out
};

/// Texts of answers in LaTeX or plain: equal as normalised text; or as values, where all parts of
/// both can be worked out (numbers, fractions, roots, powers, pi, percent; tuples and intervals in
/// their order, sets and lists in any), to a relative 1e-9.
Verdict math_equal(std::string_view answer, std::string_view gold);

/// Minerva's normalisation of a final answer: behind the last "=", without units, \text and $,
/// \frac12 as \frac{1}{2}. Source: Lewkowycz et al. 2022 (2206.14858), appendix D.1.
std::string minerva_normalised(std::string_view answer);

/// The value of an expression without unknowns; nullopt if it is none.
std::optional<double> math_value(std::string_view expression);

}  // namespace fathom::eval
