#include "eval/sandbox/child_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>

namespace fathom::eval {
namespace {

constexpr uid_t kNobody = 65534;
constexpr rlim_t kMaxFiles = 64, kStackBytes = rlim_t{64} << 20;
constexpr size_t kMaxSaid = 256;
constexpr int kSecretFd = 3, kAnswerFd = 4;
constexpr int kParkingFd = 100;  // above all numbers that the child wants

[[noreturn]] void refuse(const char* what) {
  throw Error(ErrorCode::kIo, fmt::format("sandbox: {}: {}", what, std::strerror(errno)));
}

struct Pipe {
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) refuse("pipe");
    read = Descriptor(ends[0]);
    write = Descriptor(ends[1]);
  }
  Descriptor read, write;
};

void limit(int resource, rlim_t value) {
  const rlimit both = {value, value};
  setrlimit(static_cast<__rlimit_resource>(resource), &both);
}

/// Between fork and exec: calls that are safe there alone.
struct ChildSide {
  std::array<std::pair<int, int>, 16> moves;  // descriptor, its number
  size_t num_moves = 0;
  char* const* arguments = nullptr;
  bool other_user = false, limit_processes = false;
  bool data_alone = false;
  rlim_t memory_bytes = 0, file_bytes = 0, cpu_s = 0;

  [[noreturn]] void run() const {
    setsid();
    // First out of the way, then to their numbers: none is overwritten before it is moved.
    int parked[16];
    for (size_t i = 0; i < num_moves; ++i) {
      parked[i] = fcntl(moves[i].first, F_DUPFD_CLOEXEC, kParkingFd);
    }
    for (size_t i = 0; i < num_moves; ++i) dup2(parked[i], moves[i].second);
    limit(data_alone ? RLIMIT_DATA : RLIMIT_AS, memory_bytes);
    limit(RLIMIT_FSIZE, file_bytes);
    limit(RLIMIT_CPU, cpu_s);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_STACK, kStackBytes);
    if (other_user) {  // first: root has no limit of processes
      if (setgroups(0, nullptr) != 0 || setresgid(kNobody, kNobody, kNobody) != 0 ||
          setresuid(kNobody, kNobody, kNobody) != 0) {
        _exit(126);
      }
    }
    if (limit_processes) limit(RLIMIT_NPROC, kMaxProcesses);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    // All signals as by default, none blocked.
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int number = 1; number < NSIG; ++number) signal(number, SIG_DFL);
    limit(RLIMIT_NOFILE, kMaxFiles);
    execv(arguments[0], arguments);
    _exit(127);
  }
};

/// A stream that is read to its end, of which the first bytes are kept.
struct Collected {
  Descriptor from;
  std::string* to;
  size_t kept;
};

void read_some(Collected& stream) {
  char buffer[4096];
  const ssize_t count = read(stream.from.get(), buffer, sizeof buffer);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) return stream.from.close();
  const size_t room = stream.kept - std::min(stream.kept, stream.to->size());
  stream.to->append(buffer, std::min(room, static_cast<size_t>(count)));
}

class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_(Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))) {}
  int left_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now());
    return left.count() > 0 ? static_cast<int>(left.count()) + 1 : 0;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point end_;
};

/// Reads all streams until they end; false when the time is over before.
bool collect(std::array<Collected, 3>& streams, const Deadline& deadline) {
  while (true) {
    std::array<pollfd, 3> waits;
    nfds_t open = 0;
    std::array<Collected*, 3> order{};
    for (Collected& stream : streams) {
      if (stream.from.get() < 0) continue;
      order[open] = &stream;
      waits[open++] = {.fd = stream.from.get(), .events = POLLIN, .revents = 0};
    }
    if (open == 0) return true;
    const int left = deadline.left_ms();
    if (left == 0) return false;
    const int ready = poll(waits.data(), open, left);
    if (ready < 0 && errno != EINTR) refuse("poll");
    for (nfds_t i = 0; ready > 0 && i < open; ++i) {
      if (waits[i].revents != 0) read_some(*order[i]);
    }
  }
}

/// Waits for its end; false when the time is over before.
bool reap(pid_t child, int& status, const Deadline& deadline) {
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) return true;
    if (deadline.left_ms() == 0) return false;
    usleep(1000);
  }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = other.release();
  }
  return *this;
}

int Descriptor::release() { return std::exchange(fd_, -1); }

void Descriptor::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Descriptor file_of(std::string_view bytes, const char* name) {
  Descriptor file(memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) refuse("memfd_create");
  while (!bytes.empty()) {
    const ssize_t count = write(file.get(), bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) refuse("write");
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
  }
  lseek(file.get(), 0, SEEK_SET);
  return file;
}

ChildResult run_child(const ChildRequest& request, const RunLimits& limits) {
  const Descriptor input = file_of(request.input, "input"),
                   secret = file_of(request.secret, "secret");
  Pipe output, errors, answer;
  ChildSide side;
  const auto move = [&side](int fd, int number) { side.moves[side.num_moves++] = {fd, number}; };
  move(input.get(), STDIN_FILENO);
  move(output.write.get(), STDOUT_FILENO);
  move(errors.write.get(), STDERR_FILENO);
  move(secret.get(), kSecretFd);
  move(answer.write.get(), kAnswerFd);
  for (const auto& [fd, number] : request.descriptors) move(fd, number);
  std::vector<char*> arguments;
  for (const std::string& each : request.command)
    arguments.push_back(const_cast<char*>(each.c_str()));
  arguments.push_back(nullptr);
  side.arguments = arguments.data();
  side.other_user = request.other_user;
  side.limit_processes = request.limit_processes;
  side.data_alone = limits.of_data;
  side.memory_bytes = static_cast<rlim_t>(limits.memory_bytes);
  side.file_bytes = static_cast<rlim_t>(limits.file_bytes);
  side.cpu_s = static_cast<rlim_t>(limits.wall_s) + 1;

  const pid_t child = fork();
  if (child < 0) refuse("fork");
  if (child == 0) side.run();
  output.write.close();
  errors.write.close();
  answer.write.close();

  ChildResult result;
  const Deadline deadline(limits.wall_s);
  const auto kept = static_cast<size_t>(limits.output_bytes);
  std::array<Collected, 3> streams = {
      Collected{std::move(output.read), &result.outcome.output, kept},
      Collected{std::move(errors.read), &result.outcome.errors, kept},
      Collected{std::move(answer.read), &result.said, kMaxSaid}};
  int status = 0;
  // Its streams may outlive it in a process of its own that goes on; its end is what counts.
  const bool in_time = collect(streams, deadline) && reap(child, status, deadline);
  kill(-child, SIGKILL);
  if (!in_time) {
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  result.outcome.timed_out = !in_time;
  if (WIFEXITED(status)) result.outcome.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.outcome.signal = WTERMSIG(status);
  return result;
}

}  // namespace fathom::eval
