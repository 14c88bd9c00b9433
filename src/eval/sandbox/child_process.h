#pragma once
// A process with its streams, its limits and an end. Internal to sandbox/.
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "eval/sandbox/sandbox.h"

namespace fathom::eval {

/// Processes at a time.
inline constexpr int kMaxProcesses = 64;

/// An open file descriptor of this process.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  int get() const { return fd_; }
  int release();
  void close();

 private:
  int fd_ = -1;
};

/// Bytes as a file that has no name. Throws Error{kIo}.
Descriptor file_of(std::string_view bytes, const char* name);

struct ChildRequest {
  std::vector<std::string> command;
  std::vector<std::pair<int, int>> descriptors;  // of ours, and their numbers there, from 5 on
  std::string input;                             // its stdin
  std::string secret;                            // it can read at descriptor 3
  bool other_user = false;
  bool limit_processes = false;  // of its user, whoever started them
};

struct ChildResult {
  RunOutcome outcome;
  std::string said;  // what it wrote to descriptor 4
};

/// Runs it until it ends or its time is over; then the whole of its session is killed.
ChildResult run_child(const ChildRequest& request, const RunLimits& limits);

}  // namespace fathom::eval
