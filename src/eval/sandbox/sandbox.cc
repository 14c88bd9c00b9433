#include "eval/sandbox/sandbox.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/check.h"
#include "base/text.h"
#include "eval/sandbox/child_process.h"
#include "eval/sandbox/languages.h"
#include "eval/sandbox/seccomp_filter.h"

namespace fathom::eval {
namespace {

namespace fs = std::filesystem;

constexpr int kProgramFd = 5, kFilterFd = 6;
constexpr double kProbeS = 20.0;

std::string find_program(std::string_view name) {
  for (const char* const folder : {"/usr/bin", "/bin", "/usr/local/bin"}) {
    const fs::path path = fs::path(folder) / name;
    std::error_code ignored;
    if (fs::is_regular_file(path, ignored)) return path.string();
  }
  return {};
}

std::string random_hex() {
  std::array<u8, 32> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    throw Error(ErrorCode::kIo, "the system gave no random numbers");
  }
  std::string hex;
  for (const u8 byte : bytes) hex += fmt::format("{:02x}", byte);
  return hex;
}

}  // namespace

Result<Sandbox> Sandbox::unconfined() {
  Sandbox sandbox;
  sandbox.python_ = find_program("python3");
  if (sandbox.python_.empty()) return unsupported("programs cannot be run: no python3 in /usr/bin");
  sandbox.layers_ = {"limits"};
  if (geteuid() == 0) sandbox.layers_.emplace_back("uid");
  return sandbox;
}

Result<Sandbox> Sandbox::build() {
  Result<Sandbox> sandbox = unconfined();
  if (!sandbox) return sandbox;
  sandbox->bwrap_ = find_program("bwrap");
  if (sandbox->bwrap_.empty()) {
    return unsupported(
        "programs that a model wrote are run in bubblewrap alone, which is not installed here "
        "(Debian: apt-get install bubblewrap); --unsafe-code runs them without it");
  }
  sandbox->layers_.emplace_back("bubblewrap");
  sandbox->prlimit_ = find_program("prlimit");
  sandbox->filter_ = seccomp_filter();
  if (!sandbox->filter_.empty()) sandbox->layers_.emplace_back("seccomp");
  const RunOutcome probe = sandbox->run("python", "print('here')", {.wall_s = kProbeS});
  if (!probe.passed || probe.output != "here\n") {
    return unsupported(fmt::format(
        "programs that a model wrote are run in bubblewrap alone, which does not work here: {}; "
        "--unsafe-code runs them without it",
        probe.errors.empty() ? "it ended without a word" : printable(probe.errors)));
  }
  return sandbox;
}

/// What stands between the sandbox and everything else.
std::vector<std::string> Sandbox::command(const Language& language, int program_fd,
                                          int filter_fd) const {
  if (bwrap_.empty()) {
    return {"/usr/bin/env",
            "-i",
            "PATH=/usr/bin:/bin",
            "PYTHONHASHSEED=0",
            "OMP_NUM_THREADS=1",
            python_,
            "-I",
            "-B",
            fmt::format("/dev/fd/{}", program_fd)};
  }
  const std::string file = fmt::format("/tmp/{}", language.file);
  // clang-format off
  std::vector<std::string> words = {
      bwrap_, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
      "--new-session", "--clearenv",
      "--ro-bind", "/usr", "/usr",
      "--symlink", "usr/bin", "/bin",
      "--symlink", "usr/lib", "/lib",
      "--symlink", "usr/lib64", "/lib64",
      "--proc", "/proc", "--dev", "/dev",
      "--size", "67108864", "--tmpfs", "/tmp",
      "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534",
      "--setenv", "PATH", "/usr/bin:/bin",
      "--setenv", "PYTHONHASHSEED", "0",
      "--setenv", "OMP_NUM_THREADS", "1",
      "--setenv", "HOME", "/tmp",
      "--chdir", "/tmp",
      "--ro-bind-data", fmt::format("{}", program_fd), file};
  // clang-format on
  if (!filter_.empty()) words.insert(words.end(), {"--seccomp", fmt::format("{}", filter_fd)});
  if (!prlimit_.empty()) {
    words.insert(words.end(), {prlimit_, fmt::format("--nproc={}", kMaxProcesses)});
  }
  if (language.command.empty()) {
    words.insert(words.end(), {find_program(language.program), file});
  } else {
    words.insert(words.end(), {"/bin/sh", "-c", std::string(language.command)});
  }
  return words;
}

Result<void> Sandbox::check_language(std::string_view name) const {
  const Language* const language = find_language(name);
  if (language == nullptr) {
    return unsupported(fmt::format("programs in \"{}\" cannot be run; in these they can: {}",
                                   printable(name), language_names()));
  }
  if (bwrap_.empty() && language->name != "python") {
    return unsupported(fmt::format("--unsafe-code runs Python alone, found {}", name));
  }
  if (find_program(language->program).empty()) {
    return unsupported(
        fmt::format("programs in {} cannot be run: no {} in /usr/bin", name, language->program));
  }
  const RunOutcome probe = run(*language, language->probe, {.wall_s = kProbeS}, {});
  if (probe.passed) return {};
  return unsupported(fmt::format(
      "programs in {} cannot be run here: {}", name,
      probe.errors.empty() ? "one that does nothing does not end well" : printable(probe.errors)));
}

RunOutcome Sandbox::run(std::string_view language, std::string_view program,
                        const RunLimits& limits, std::string_view input) const {
  const Language* const found = find_language(language);
  FATHOM_CHECK(found != nullptr && (!bwrap_.empty() || found->name == "python"), language);
  return run(*found, program, limits, input);
}

RunOutcome Sandbox::run(const Language& language, std::string_view program, const RunLimits& limits,
                        std::string_view input) const {
  const Descriptor text = file_of(with_tail(language, program), "program");
  const Descriptor filter = file_of(filter_, "filter");
  ChildRequest request;
  request.command = command(language, kProgramFd, kFilterFd);
  request.descriptors = {{text.get(), kProgramFd}};
  if (!filter_.empty()) request.descriptors.emplace_back(filter.get(), kFilterFd);
  request.input = input;
  request.secret = random_hex();
  request.other_user = geteuid() == 0;
  // In a namespace of its own a user's processes are counted anew, and those of other evaluations
  // do not count. Only from inside: the limit with which a namespace is made holds for the user
  // outside it.
  request.limit_processes = request.other_user && (bwrap_.empty() || prlimit_.empty());
  RunLimits own = limits;
  own.of_data = limits.of_data || language.reserves_memory;
  ChildResult result = run_child(request, own);
  result.outcome.passed =
      !result.outcome.timed_out && result.outcome.exit_code == 0 && result.said == request.secret;
  return std::move(result.outcome);
}

}  // namespace fathom::eval
