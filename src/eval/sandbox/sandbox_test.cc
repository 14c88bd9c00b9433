// Ten hostile programs, and two that are honest.
#include "eval/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

namespace fathom::eval {
namespace {

using ::testing::HasSubstr;

constexpr double kWallS = 5.0;

class SandboxTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Result<Sandbox> built = Sandbox::build();
    if (!built) GTEST_SKIP() << built.error().message();
    sandbox_ = std::make_unique<Sandbox>(std::move(*built));
  }
  RunOutcome run(std::string_view program, double wall_s = kWallS) const {
    return sandbox_->run("python", program, {.wall_s = wall_s});
  }
  std::unique_ptr<Sandbox> sandbox_;
};

TEST_F(SandboxTest, AnHonestProgramPassesAndAWrongOneFails) {
  const RunOutcome good = run("assert sum([1, 2]) == 3\nprint('done')");
  EXPECT_TRUE(good.passed) << good.errors;
  EXPECT_EQ(good.output, "done\n");
  EXPECT_FALSE(run("assert 1 == 2").passed);
  EXPECT_FALSE(run("this is no Python").passed);
  EXPECT_EQ(sandbox_->run("python", "print(input()[::-1])", {}, "abc\n").output, "cba\n");
}

TEST_F(SandboxTest, EndingEarlyWithZeroIsNoPass) {
  for (const char* const early :
       {"import os; os._exit(0)", "exit()", "raise SystemExit(0)", "import sys; sys.exit()",
        "import os, signal; os.kill(os.getpid(), 9)",
        "print('0' * 64); import os; os.write(4, b'0' * 64); os._exit(0)"}) {
    EXPECT_FALSE(run(std::string(early) + "\nassert False").passed) << early;
  }
}

TEST_F(SandboxTest, AForkBombDiesWithItsSandbox) {
  const RunOutcome bomb =
      run("import os\n"
          "n = 0\n"
          "try:\n"
          "  while n < 1000:\n"
          "    if os.fork() == 0:\n"
          "      import time; time.sleep(100)\n"
          "    n += 1\n"
          "except OSError:\n"
          "  print('refused after', n < 200)\n");
  EXPECT_THAT(bomb.output, HasSubstr("refused after True"));
}

// Each has a limit of its own: what others run at the same time, in this process or in another
// evaluation of the same user, does not count.
TEST_F(SandboxTest, ProgramsDoNotShareTheirLimitOfProcesses) {
  const std::string forks =
      "import os, time\n"
      "children = []\n"
      "for _ in range(40):\n"
      "  child = os.fork()\n"
      "  if child == 0:\n"
      "    time.sleep(100)\n"
      "  children.append(child)\n"
      "time.sleep(2)\n"
      "for child in children:\n"
      "  os.kill(child, 9)\n";
  std::array<RunOutcome, 3> outcomes;
  std::vector<std::thread> threads;
  for (RunOutcome& outcome : outcomes) {
    threads.emplace_back([&] { outcome = run(forks, 30.0); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const RunOutcome& outcome : outcomes) EXPECT_TRUE(outcome.passed) << outcome.errors;
}

TEST_F(SandboxTest, MemoryIsLimited) {
  const RunOutcome hungry = run("x = bytearray(2 << 30)");
  EXPECT_FALSE(hungry.passed);
  EXPECT_THAT(hungry.errors, HasSubstr("MemoryError"));
}

TEST_F(SandboxTest, OutputWithoutEndIsCutAndStopped) {
  const RunOutcome loud = run("while True: print('x' * 1000)", 0.5);
  EXPECT_FALSE(loud.passed);
  EXPECT_TRUE(loud.timed_out);
  EXPECT_LE(loud.output.size(), size_t{64} << 10);
}

TEST_F(SandboxTest, ASleeperAndALoopAreStopped) {
  for (const char* const slow :
       {"import time; time.sleep(1000)", "while True: pass",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "import os\nos.setsid() if False else None\ntime.sleep(1000)"}) {
    const auto begin = std::chrono::steady_clock::now();
    const RunOutcome outcome = run(slow, 0.5);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    EXPECT_TRUE(outcome.timed_out || outcome.signal != 0) << slow;
    EXPECT_FALSE(outcome.passed);
    EXPECT_LT(took.count(), 4.0) << slow;
  }
}

TEST_F(SandboxTest, TheHostsFilesAreOutOfReach) {
  const std::filesystem::path secret =
      std::filesystem::path(::testing::TempDir()) / "sandbox_secret.txt";
  std::ofstream(secret) << "secret of the host";
  const RunOutcome reader =
      run("import os\n"
          "print(os.path.exists('" +
          secret.string() +
          "'), os.path.exists('/etc/passwd'), "
          "os.path.exists('/home'), os.path.exists('/root'))\n");
  EXPECT_EQ(reader.output, "False False False False\n");
  const RunOutcome writer = run("open('/usr/evil', 'w').write('x')");
  EXPECT_FALSE(writer.passed);
  EXPECT_FALSE(std::filesystem::exists("/usr/evil"));
  const RunOutcome large = run("f = open('/tmp/big', 'wb')\nwhile True: f.write(b'x' * 1000000)");
  EXPECT_FALSE(large.passed);
  std::filesystem::remove(secret);
}

TEST_F(SandboxTest, ThereIsNoNetwork) {
  const RunOutcome caller =
      run("import socket\n"
          "try:\n"
          "  socket.create_connection(('1.1.1.1', 53), 1)\n"
          "  print('reached')\n"
          "except OSError as e:\n"
          "  print('refused')\n");
  EXPECT_EQ(caller.output, "refused\n");
}

TEST_F(SandboxTest, NoProcessOfTheHostCanBeKilled) {
  const RunOutcome killer =
      run("import os, signal\n"
          "try:\n  os.kill(" +
          std::to_string(getpid()) +
          ", 0)\n  print('seen')\n"
          "except OSError:\n  print('unseen')\n"
          "os.kill(-1, signal.SIGKILL)\n");
  EXPECT_EQ(killer.output, "unseen\n");
  EXPECT_FALSE(killer.passed && killer.output.empty());
}

TEST_F(SandboxTest, LinksLeadNowhere) {
  const RunOutcome linker = run(
      "import os\n"
      "os.symlink('/etc/shadow', '/tmp/link')\n"
      "try:\n  open('/tmp/link')\n  print('opened')\nexcept OSError:\n  print('nothing there')\n"
      "try:\n  open('/proc/1/root/etc/shadow')\n  print('opened')\nexcept OSError:\n  "
      "print('nothing there')\n");
  EXPECT_EQ(linker.output, "nothing there\nnothing there\n");
}

TEST_F(SandboxTest, NamespacesAndTracingAreRefused) {
  const RunOutcome breaker =
      run("import ctypes\n"
          "c = ctypes.CDLL(None, use_errno=True)\n"
          "print(c.unshare(0x10000000), c.unshare(0x20000), c.ptrace(16, 1, 0, 0), c.mount(b'/', "
          "b'/tmp', b'', 4096, 0))\n"
          "print(c.setuid(0), c.chroot(b'/tmp'))\n");
  EXPECT_EQ(breaker.output, "-1 -1 -1 -1\n-1 -1\n") << breaker.errors;
}

TEST_F(SandboxTest, HugeArgumentsAndEnvironmentsHarmNobody) {
  const RunOutcome huge =
      run("import os, subprocess\n"
          "try:\n  subprocess.run(['/bin/true', 'x' * (1 << 27)])\n  print('ran')\n"
          "except (OSError, MemoryError):\n  print('refused')\n"
          "print(sorted(os.environ))\n");
  EXPECT_THAT(huge.output, HasSubstr("refused"));
  EXPECT_THAT(huge.output, ::testing::Not(HasSubstr("USER")));
}

TEST_F(SandboxTest, WhatIsActiveIsSaid) {
  EXPECT_THAT(sandbox_->layers(), ::testing::Contains("bubblewrap"));
  EXPECT_THAT(sandbox_->layers(), ::testing::Contains("limits"));
}

struct LanguageCase {
  const char *name, *good, *wrong, *early;
};

TEST_F(SandboxTest, OtherLanguagesPassAtTheirEndAndNotBefore) {
  const LanguageCase cases[] = {
      {"sh", "f() { echo 3; }\n[ \"$(f)\" = 3 ] || exit 1", "false || exit 1", "exit 0"},
      {"js", "const assert = require('node:assert'); assert.deepEqual([1], [1]);",
       "require('node:assert').equal(1, 2);", "process.exit(0);"},
      {"pl", "use strict; die unless 1 + 1 == 2;", "die;", "exit 0;"},
      {"cpp",
       "#include <cassert>\nint two() { return 2; }\nint main() {\n  assert(two() == 2);\n}\n",
       "int main() {\n  return 1;\n}\n", "#include <cstdlib>\nint main() {\n  exit(0);\n}\n"},
  };
  i64 ran = 0;
  for (const LanguageCase& each : cases) {
    if (const auto can_run = sandbox_->check_language(each.name); !can_run) {
      EXPECT_THAT(can_run.error().message(),
                  ::testing::AnyOf(HasSubstr("in /usr/bin"), HasSubstr("Test/Deep")));
      continue;
    }
    ++ran;
    const RunOutcome good = sandbox_->run(each.name, each.good, {});
    EXPECT_TRUE(good.passed) << each.name << good.errors;
    EXPECT_FALSE(sandbox_->run(each.name, each.wrong, {}).passed) << each.name;
    EXPECT_FALSE(sandbox_->run(each.name, each.early, {}).passed) << each.name;
  }
  EXPECT_GE(ran, 1);  // bash is part of every Debian
}

TEST_F(SandboxTest, ALanguageThatIsNotThereIsRefusedByName) {
  EXPECT_THAT(sandbox_->check_language("cobol").error().message(),
              HasSubstr("programs in \"cobol\" cannot be run; in these they can: python, sh, js"));
  const Result<Sandbox> unconfined = Sandbox::unconfined();
  EXPECT_TRUE(unconfined->check_language("python"));
  EXPECT_THAT(unconfined->check_language("sh").error().message(),
              HasSubstr("--unsafe-code runs Python alone, found sh"));
}

}  // namespace
}  // namespace fathom::eval
