#include "comm/mpi/launcher.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace fathom::comm {

std::optional<LaunchedAs> launched_as() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* value = std::getenv(variable);
    if (value == nullptr) continue;
    const std::string_view text = value;
    int size = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
    if (error != std::errc() || end != text.data() + text.size() || size < 1) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("environment variable {}: \"{}\", expected a number of ranks", variable,
                              text));
    }
    return LaunchedAs{variable, size};
  }
  return std::nullopt;
}

}  // namespace fathom::comm
