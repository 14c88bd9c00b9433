// Preloaded into a process (LD_PRELOAD), it writes a line to $WATCH_LOG for every call that changes
// files:
//   write PATH, fsync PATH, rename FROM TO, exchange A B, unlink PATH, mkdir PATH, create PATH
// with absolute paths, in the order of the calls. $WATCH_INTERRUPT_AT, as in "write:3", sends the
// process SIGINT (or the signal of the number $WATCH_SIGNAL) before its third call of that kind.
// What glibc does for itself (the end of fwrite) passes unseen: what is to survive a crash must be
// flushed by its descriptor anyway.
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <string>

namespace {

template <typename Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}
// The real call of the same name and type.
#define REAL(name) next<decltype(&name)>(#name)

std::string path_of_descriptor(int fd) {
  char link[64], target[PATH_MAX];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
  const ssize_t size = readlink(link, target, sizeof(target));
  return size < 0 ? std::string() : std::string(target, static_cast<size_t>(size));
}

std::string absolute(int directory, const char* path) {
  if (path[0] == '/') return path;
  char here[PATH_MAX];
  const std::string base = directory == AT_FDCWD ? std::string(getcwd(here, sizeof(here)))
                                                 : path_of_descriptor(directory);
  while (strncmp(path, "./", 2) == 0) path += 2;
  return strcmp(path, ".") == 0 ? base : base + "/" + path;
}

void interrupt_if_due(const std::string& kind) {
  static const char* wish = getenv("WATCH_INTERRUPT_AT");
  static std::atomic<int> calls{0};
  if (wish == nullptr) return;
  const char* colon = strchr(wish, ':');
  if (kind != std::string(wish, colon) || ++calls != atoi(colon + 1)) return;
  const char* signal = getenv("WATCH_SIGNAL");
  raise(signal == nullptr ? SIGINT : atoi(signal));
}

void log(const std::string& kind, const std::string& first, const std::string& second = {}) {
  static std::mutex mutex;
  static const int fd = [] {
    const char* path = getenv("WATCH_LOG");
    return path == nullptr ? -1 : REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  }();
  const int saved = errno;
  if (fd >= 0) {
    std::string line = kind + "\t" + first;
    if (!second.empty()) line += "\t" + second;
    line += "\n";
    const std::lock_guard<std::mutex> lock(mutex);
    if (REAL(write)(fd, line.data(), line.size()) < 0) abort();
  }
  errno = saved;
}

void log_descriptor(const char* kind, int fd) {
  struct stat status = {};
  if (fstat(fd, &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return;
  log(kind, path_of_descriptor(fd));
}

/// A file that an open() with these flags makes; empty if it makes none.
std::string made_by_open(int directory, const char* path, int flags) {
  struct stat status = {};
  const bool makes = (flags & O_CREAT) != 0 && fstatat(directory, path, &status, 0) != 0;
  return makes ? absolute(directory, path) : std::string();
}

int opened(int fd, const std::string& made) {
  if (fd >= 0 && !made.empty()) log("create", made);
  return fd;
}

/// The result of a call that changes names, logged if it worked.
int renamed(int result, const char* kind, const std::string& from, const std::string& to = {}) {
  if (result == 0) log(kind, from, to);
  return result;
}

}  // namespace

extern "C" {

#define OPEN(name)                                                                       \
  int name(const char* path, int flags, ...) {                                           \
    va_list rest;                                                                        \
    va_start(rest, flags);                                                               \
    const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(rest, mode_t) : 0;               \
    va_end(rest);                                                                        \
    const std::string made = made_by_open(AT_FDCWD, path, flags);                        \
    return opened(next<int (*)(const char*, int, ...)>(#name)(path, flags, mode), made); \
  }
OPEN(open)
OPEN(open64)

ssize_t write(int fd, const void* bytes, size_t size) {
  interrupt_if_due("write");
  log_descriptor("write", fd);
  return REAL(write)(fd, bytes, size);
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  interrupt_if_due("write");
  log_descriptor("write", fd);
  return REAL(pwrite)(fd, bytes, size, at);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  interrupt_if_due("write");
  log_descriptor("write", fd);
  return REAL(pwrite64)(fd, bytes, size, at);
}
ssize_t sendfile(int to, int from, off_t* at, size_t size) {  // fs::copy_file
  log_descriptor("write", to);
  return next<ssize_t (*)(int, int, off_t*, size_t)>("sendfile")(to, from, at, size);
}
ssize_t copy_file_range(int from, off64_t* from_at, int to, off64_t* to_at, size_t size,
                        unsigned flags) {
  log_descriptor("write", to);
  return REAL(copy_file_range)(from, from_at, to, to_at, size, flags);
}
int fsync(int fd) {
  log_descriptor("fsync", fd);
  return REAL(fsync)(fd);
}
int fdatasync(int fd) {
  log_descriptor("fsync", fd);
  return REAL(fdatasync)(fd);
}
int rename(const char* from, const char* to) noexcept {
  interrupt_if_due("rename");
  return renamed(REAL(rename)(from, to), "rename", absolute(AT_FDCWD, from),
                 absolute(AT_FDCWD, to));
}
int renameat2(int from_at, const char* from, int to_at, const char* to, unsigned flags) noexcept {
  const char* kind = (flags & RENAME_EXCHANGE) != 0 ? "exchange" : "rename";
  return renamed(REAL(renameat2)(from_at, from, to_at, to, flags), kind, absolute(from_at, from),
                 absolute(to_at, to));
}
int unlink(const char* path) noexcept {
  return renamed(REAL(unlink)(path), "unlink", absolute(AT_FDCWD, path));
}
int remove(const char* path) noexcept {
  return renamed(REAL(remove)(path), "unlink", absolute(AT_FDCWD, path));
}
int rmdir(const char* path) noexcept {
  return renamed(REAL(rmdir)(path), "unlink", absolute(AT_FDCWD, path));
}
int unlinkat(int at, const char* path, int flags) noexcept {
  const std::string name = absolute(at, path);
  return renamed(REAL(unlinkat)(at, path, flags), "unlink", name);
}
int mkdir(const char* path, mode_t mode) noexcept {
  return renamed(REAL(mkdir)(path, mode), "mkdir", absolute(AT_FDCWD, path));
}

}  // extern "C"
