#pragma once
// Two of the three error kinds of the project; the third (our bug) is FATHOM_CHECK in check.h.
//   outside input, failure is a normal answer -> Result<T>, handled by the direct caller
//   the world failed (disk, memory, device)   -> throw Error{code, message}, handled at a boundary
// Messages state what, where, expected and found; they are shown to the user as they are.
#include <exception>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace fathom {

enum class ErrorCode {
  kInvalidInput,  // the user's file, flag or request is wrong: exit code 1
  kUnsupported,   // well-formed, but this program refuses it: exit code 1
  kNotFound,      // a file or a name that does not exist: exit code 1
  kOutOfMemory,   // the request does not fit: exit code 1
  kIo,            // the operating system refused: exit code 1
  kInternal,      // our bug: exit code 2
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  ErrorCode code_;
  std::string message_;
};

/// The answer of a parser of untrusted bytes: a value or an Error, never ignored.
template <typename T>
using Result = tl::expected<T, Error>;

[[nodiscard]] inline tl::unexpected<Error> fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error(code, std::move(message)));
}
[[nodiscard]] inline tl::unexpected<Error> invalid_input(std::string message) {
  return fail(ErrorCode::kInvalidInput, std::move(message));
}
[[nodiscard]] inline tl::unexpected<Error> unsupported(std::string message) {
  return fail(ErrorCode::kUnsupported, std::move(message));
}

/// Takes the value out of a Result, or throws its Error: for callers whose boundary is above them.
template <typename T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::move(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace fathom
