#pragma once
#include <string>

namespace fathom::eval {

/// A filter of system calls for bubblewrap's --seccomp, as bytes of struct sock_filter: what
/// watches or changes other processes, mounts, makes namespaces, loads code into the kernel or sets
/// up io_uring fails with EPERM; calls of another architecture end the process. Empty where the
/// processor is none that it knows.
std::string seccomp_filter();

}  // namespace fathom::eval
