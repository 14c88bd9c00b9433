#pragma once
// Tests of files that a model has changed, run in the sandbox.
#include <string>

#include "eval/repair/edit_blocks.h"
#include "eval/sandbox/sandbox.h"

namespace fathom::eval {

struct TestRun {
  std::string archive;  // a tar file, unpacked first; may be empty
  Files files;          // over what the archive holds
  std::string command;  // a line for /bin/sh in their folder; 0 is a pass
  /// The command reads a line from its stdin before anything of the model's runs, and ends its
  /// output with that if all went well: so that ending early with 0 is no pass.
  bool repeats_line = false;
  double wall_s = 180.0;
  i64 memory_bytes = i64{512} << 20;
  bool of_data = false;  // RunLimits::of_data
};

struct TestOutcome {
  bool passed = false, timed_out = false;
  std::string output;  // its end, both streams
};

TestOutcome run_tests(const Sandbox& sandbox, const TestRun& run);

}  // namespace fathom::eval
