#include "comm/mpi/launcher.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace fathom::comm {
namespace {

int size_of(const char* variable, std::string_view text) {
  int size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error == std::errc() && end == text.data() + text.size() && size > 0) return size;
  throw Error(
      ErrorCode::kInvalidInput,
      fmt::format("environment variable {}: \"{}\", expected a number of ranks", variable, text));
}

}  // namespace

std::optional<LaunchedAs> launched_as() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const char* value = std::getenv(variable))
      return LaunchedAs{variable, size_of(variable, value)};
  }
  // srun --mpi=pmix says only who one is; without PMIX_RANK the step's size may be that of the
  // shell around.
  const char* variable = "SLURM_STEP_NUM_TASKS";
  const char* value = std::getenv(variable);
  if (std::getenv("PMIX_RANK") == nullptr || value == nullptr) return std::nullopt;
  return LaunchedAs{variable, size_of(variable, value)};
}

}  // namespace fathom::comm
