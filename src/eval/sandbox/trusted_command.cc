#include "eval/sandbox/trusted_command.h"

#include "eval/sandbox/child_process.h"

namespace fathom::eval {

TrustedOutcome run_trusted(const std::vector<std::string>& command, const std::string& input) {
  ChildRequest request;
  request.command = command;
  request.input = input;
  const RunLimits limits = {.wall_s = 600.0,
                            .memory_bytes = i64{8} << 30,
                            .file_bytes = i64{1} << 30,
                            .output_bytes = i64{1} << 30};
  ChildResult result = run_child(request, limits);
  return {result.outcome.exit_code, std::move(result.outcome.output),
          std::move(result.outcome.errors)};
}

}  // namespace fathom::eval
