#pragma once
// stdout is the product: a write to it that fails ends the command. stderr tells about the work:
// what cannot be written there is lost and the work goes on.
#include <fmt/format.h>

#include <exception>
#include <string_view>
#include <utility>

namespace fathom::cli {

/// Thrown where stdout takes no more; main says why.
class OutputFailed : public std::exception {
 public:
  explicit OutputFailed(int code) : code_(code) {}
  /// errno of the write that failed.
  int code() const noexcept { return code_; }
  const char* what() const noexcept override { return "writing to stdout failed"; }

 private:
  int code_;
};

namespace out {

/// Appends to stdout, which is buffered. Throws OutputFailed.
void write(std::string_view text);
/// Hands on what was buffered. Throws OutputFailed.
void flush();

template <typename... Args>
void print(fmt::format_string<Args...> text, Args&&... args) {
  write(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace out

namespace err {

/// Writes to stderr at once.
void write(std::string_view text) noexcept;

template <typename... Args>
void print(fmt::format_string<Args...> text, Args&&... args) {
  write(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace err

/// A stream of 0 to 2 that the caller closed would be the number of the next file that is opened,
/// and messages would go into it. Afterwards reading or writing it fails.
void occupy_closed_streams();

}  // namespace fathom::cli
