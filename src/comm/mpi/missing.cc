// Builds without MPI: ranks that a launcher started are refused by name, because each of them would
// take itself for the whole job.
#if !FATHOM_HAS_MPI
#include <fmt/format.h>

#include "comm/mpi/launcher.h"
#include "comm/mpi/world.h"

namespace fathom::comm {

std::string mpi_description() {
  return "built without MPI: install libopenmpi-dev (or libmpich-dev) and build again";
}

std::optional<Comm> world_of_launcher(const JobOptions&) {
  const auto launched = launched_as();
  if (!launched || launched->size == 1) return std::nullopt;
  throw Error(
      ErrorCode::kUnsupported,
      fmt::format("{}={}: this process was started as one of {} ranks, but this program was {}",
                  launched->variable, launched->size, launched->size, mpi_description()));
}

}  // namespace fathom::comm
#endif
