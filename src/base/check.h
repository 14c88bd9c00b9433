#pragma once
// FATHOM_CHECK(cond, values...): always on; throws InternalError that shows the values. For our own
// mistakes only; wrong input from outside gets a Result (error.h).
// FATHOM_DCHECK: the same in debug and sanitizer builds, nothing in release; for inner loops.
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

namespace fathom {

class InternalError : public std::logic_error {
  using std::logic_error::logic_error;
};

namespace check_detail {

/// Renders one value: text as it is, numbers by std::to_string, others by an ADL to_string(value).
template <typename T>
std::string render(const T& value) {
  if constexpr (std::is_convertible_v<T, std::string_view>) {
    return std::string(std::string_view(value));
  } else {
    using std::to_string;
    return to_string(value);
  }
}

[[noreturn]] void fail(const char* file, int line, const char* condition, std::string message);

template <typename... Values>
[[noreturn]] void fail_with(const char* file, int line, const char* condition,
                            const Values&... values) {
  std::string message;
  (message.append(render(values)), ...);
  fail(file, line, condition, std::move(message));
}

}  // namespace check_detail
}  // namespace fathom

#define FATHOM_CHECK(condition, ...)                                            \
  do {                                                                          \
    if (!(condition)) [[unlikely]]                                              \
      ::fathom::check_detail::fail_with(__FILE__, __LINE__,                     \
                                        #condition __VA_OPT__(, ) __VA_ARGS__); \
  } while (false)

#ifdef FATHOM_DEBUG_CHECKS
#define FATHOM_DCHECK(condition, ...) FATHOM_CHECK(condition __VA_OPT__(, ) __VA_ARGS__)
#else
#define FATHOM_DCHECK(condition, ...) \
  do {                                \
  } while (false)
#endif
