#pragma once
// Real databases for tests: a file of SQLite, and a PostgreSQL server of the test's own.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "serve/accounts/sql/schema.h"
#include "serve/accounts/sql/sql.h"
#include "testing/temp_dir.h"

namespace fathom::serve {

/// The time, where a test says it: seconds since 1970.
inline constexpr double kNow = 1'796'000'000;

/// The folder of initdb and postgres; nullopt: there is none.
inline std::optional<std::filesystem::path> find_postgres() {
  namespace fs = std::filesystem;
  std::error_code none;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", none)) {
    if (fs::exists(version.path() / "bin" / "initdb")) return version.path() / "bin";
  }
  return std::nullopt;
}

/// A cluster in a folder of its own, reached through a socket there. PostgreSQL refuses to run as
/// root, so that it runs as nobody where the test does.
class TestPostgres {
 public:
  explicit TestPostgres(std::filesystem::path programs) : programs_(std::move(programs)) {
    std::string name = "/tmp/fathom-pg-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw Error(ErrorCode::kIo, "mkdtemp failed");
    folder_ = name;
    if (const passwd* const user = ::getpwnam("nobody"); user != nullptr && ::geteuid() == 0) {
      user_ = *user;
      if (::chown(name.c_str(), user_->pw_uid, user_->pw_gid) != 0) {
        throw Error(ErrorCode::kIo, "chown failed");
      }
    }
    wait_for(spawn({"initdb", "-D", data(), "-A", "trust", "-U", "fathom", "--no-sync"}));
    start();
  }
  ~TestPostgres() {
    stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  TestPostgres(const TestPostgres&) = delete;
  TestPostgres& operator=(const TestPostgres&) = delete;

  std::string address() const { return "postgresql://fathom@/postgres?host=" + folder_.string(); }

  void start() {
    server_ = spawn({"postgres", "-D", data(), "-k", folder_.string(), "-c",
                     "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"});
    for (int i = 0; i < 300; ++i) {
      try {
        open_sql(address());
        return;
      } catch (const Error&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    throw Error(ErrorCode::kIo, "postgres did not start");
  }
  /// At once: connections break.
  void stop() {
    if (server_ <= 0) return;
    ::kill(server_, SIGQUIT);
    wait_for(server_);
    server_ = -1;
  }

 private:
  std::string data() const { return (folder_ / "data").string(); }

  pid_t spawn(const std::vector<std::string>& words) const {
    const pid_t child = ::fork();
    if (child != 0) return child;
    const int log = ::open((folder_ / "log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0666);
    ::dup2(log, 1);
    ::dup2(log, 2);
    if (user_ && (::setgid(user_->pw_gid) != 0 || ::setuid(user_->pw_uid) != 0)) ::_exit(126);
    if (::chdir(folder_.c_str()) != 0) ::_exit(126);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv((programs_ / words[0]).c_str(), arguments.data());
    ::_exit(127);
  }
  static void wait_for(pid_t process) {
    int status = 0;
    while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
  }

  std::filesystem::path programs_, folder_;
  std::optional<passwd> user_;
  pid_t server_ = -1;
};

/// A test for each database: TEST_P(..., ...) with open() and address(); skipped by name where
/// there is no PostgreSQL.
class DatabaseTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) == "Sqlite") return;
    const auto programs = find_postgres();
    if (!programs) GTEST_SKIP() << "PostgreSQL is not installed";
    postgres_ = std::make_unique<TestPostgres>(*programs);
    try {
      open_sql(postgres_->address());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kUnsupported) GTEST_SKIP() << error.message();
      throw;
    }
  }

  std::string address() const {
    return postgres_ ? postgres_->address() : (folder_.path() / "usage.db").string();
  }
  /// With its tables.
  std::unique_ptr<Sql> open() const {
    auto sql = open_sql(address());
    require_schema(*sql, address());
    return sql;
  }
  TestPostgres* postgres() { return postgres_.get(); }

 private:
  testing::TempDir folder_;
  std::unique_ptr<TestPostgres> postgres_;
};

#define FATHOM_FOR_EACH_DATABASE(suite)                                        \
  INSTANTIATE_TEST_SUITE_P(On, suite, ::testing::Values("Sqlite", "Postgres"), \
                           [](const auto& instance) { return std::string(instance.param); })

}  // namespace fathom::serve
