#pragma once
#include <string>

namespace CLI {
class Validator;
}

namespace fathom::cli {

/// Checks of option values whose messages say what was found and what was expected.
CLI::Validator integer_from(long least);
CLI::Validator integer_between(long least, long most);
CLI::Validator number_from(double least);
CLI::Validator number_between(double least, double most);

}  // namespace fathom::cli
