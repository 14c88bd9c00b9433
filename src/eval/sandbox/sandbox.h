#pragma once
// Programs that a model wrote, run where they can do no harm.
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/types.h"

namespace fathom::eval {

struct Language;

struct RunLimits {
  double wall_s = 10.0;
  i64 memory_bytes = i64{512} << 20;
  bool of_data = false;  // of memory that is written alone, not of all addresses
  i64 file_bytes = i64{16} << 20;
  i64 output_bytes = i64{64} << 10;  // kept of each stream; the rest is read and dropped
};

struct RunOutcome {
  bool passed = false;  // ended with 0, and said the secret behind its last line
  bool timed_out = false;
  int exit_code = -1;  // -1: a signal ended it
  int signal = 0;
  std::string output, errors;
};

/// What is between a program and the machine: bubblewrap's namespaces (no network, no other
/// processes, nothing of the host's files but /usr, read-only), a filter of system calls, limits of
/// memory, time, files and processes, and, where fathom runs as root, another user.
class Sandbox {
 public:
  /// kUnsupported says which part cannot be built here.
  static Result<Sandbox> build();
  /// Limits and another user alone: for machines that are thrown away.
  static Result<Sandbox> unconfined();

  /// Can programs in this language be run here? kUnsupported names what is missing.
  Result<void> check_language(std::string_view language) const;

  /// Runs a program in a language that check_language() takes. Exit 0 alone is no proof, since
  /// os._exit(0) is one line: behind the program's end a line of ours sends a secret of this run,
  /// drawn anew, back. Throws Error{kIo} where the system has no pipes or processes left.
  RunOutcome run(std::string_view language, std::string_view program, const RunLimits& limits,
                 std::string_view input = {}) const;

  /// "bubblewrap", "seccomp", "uid", "limits": those that are active.
  const std::vector<std::string>& layers() const { return layers_; }

 private:
  Sandbox() = default;
  RunOutcome run(const Language& language, std::string_view program, const RunLimits& limits,
                 std::string_view input) const;
  std::vector<std::string> command(const Language& language, int program_fd, int filter_fd) const;

  std::string bwrap_, python_, prlimit_;
  std::string filter_;  // of system calls; empty: none
  std::vector<std::string> layers_;
};

}  // namespace fathom::eval
