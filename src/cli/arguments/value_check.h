#pragma once
#include <functional>
#include <string>

namespace fathom::cli {

/// What one value of an option has to be: `shown` by help, and what is wrong with a text, or "".
struct ValueCheck {
  std::string shown;
  std::function<std::string(const std::string& text)> problem;
};

/// Their messages say what was found and what was expected.
ValueCheck integer_from(long least);
ValueCheck integer_between(long least, long most);
ValueCheck number_from(double least);
ValueCheck number_between(double least, double most);

}  // namespace fathom::cli
