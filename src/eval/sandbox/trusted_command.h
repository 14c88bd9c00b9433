#pragma once
// A command of ours, not of a model: no sandbox, no other user.
#include <string>
#include <vector>

namespace fathom::eval {

struct TrustedOutcome {
  int exit_code = -1;  // 127: there is no such program; -1: a signal ended it
  std::string output, errors;
};

/// Runs it with `input` as its stdin, for at most ten minutes. Throws Error{kIo} where the system
/// has no pipes or processes left.
TrustedOutcome run_trusted(const std::vector<std::string>& command, const std::string& input = {});

}  // namespace fathom::eval
