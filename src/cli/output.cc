#include "cli/output.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string>
#include <utility>

namespace fathom::cli {
namespace {

/// Not stdio's: there a flush that nobody asked for (before std::cin reads, for one) drops what it
/// cannot write, and the reason with it.
std::string& stdout_buffer() {
  static std::string buffer;
  return buffer;
}

constexpr size_t kStdoutBufferBytes = size_t{64} << 10;

void wait_until_writable(int fd) {
  pollfd waited = {fd, POLLOUT, 0};
  ::poll(&waited, 1, /*timeout=*/-1);
}

}  // namespace

void out::write(std::string_view text) {
  static const bool is_terminal = ::isatty(STDOUT_FILENO) != 0;
  std::string& buffer = stdout_buffer();
  buffer += text;
  if (buffer.size() >= kStdoutBufferBytes || (is_terminal && text.ends_with('\n'))) flush();
}

void out::flush() {
  const std::string text = std::exchange(stdout_buffer(), {});
  for (size_t done = 0; done < text.size();) {
    const ssize_t count = ::write(STDOUT_FILENO, text.data() + done, text.size() - done);
    if (count >= 0) {
      done += static_cast<size_t>(count);
    } else if (errno == EAGAIN) {
      wait_until_writable(STDOUT_FILENO);  // a pipe whose other end made it non-blocking
    } else if (errno != EINTR) {
      throw OutputFailed(errno);
    }
  }
}

void err::write(std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stderr);  // unbuffered
}

void occupy_closed_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1 || errno != EBADF) continue;
    // The lowest free number is taken. Opened for the wrong direction: use of it stays an error.
    [[maybe_unused]] const int taken =
        ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

}  // namespace fathom::cli
