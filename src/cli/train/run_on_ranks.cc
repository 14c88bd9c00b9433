#include "cli/train/run_on_ranks.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/parallel.h"
#include "comm/mpi/world.h"
#include "comm/threads/run_ranks.h"

namespace fathom::cli {
namespace {

/// Ranks may wait for the one that makes the cache of tokens; the run file's deadline begins with
/// the first step.
constexpr double kStartUpDeadlineS = 24 * 3600.0;

comm::JobOptions job_options(const RunConfig& config) {
  return {.deadline_s = config.parallel.deadline_s,
          .debug = config.parallel.check_calls,
          .hang_directory = config.run.out,
          .ranks_per_node = static_cast<int>(config.parallel.ranks_per_node)};
}

Error refused(const char* engine, const std::string& why) {
  return Error(ErrorCode::kUnsupported, fmt::format("parallel.engine: \"{}\": {}", engine, why));
}

void run_rank(comm::Comm& world, const std::function<void(comm::Comm&)>& fn) {
  world.set_deadline(std::max(kStartUpDeadlineS, world.options().deadline_s));
  std::optional<OwnThreads> own;
  if (world.size() > 1) {
    int neighbours = 0;
    for (int rank = 0; rank < world.size(); ++rank) {
      neighbours += world.machine_of(rank) == world.machine_of(world.rank()) ? 1 : 0;
    }
    own.emplace(std::max(1, num_threads() / neighbours));
  }
  fn(world);
}

}  // namespace

void run_on_ranks(const RunConfig& config, int ranks, const std::function<void(comm::Comm&)>& fn) {
  const CommEngine engine = config.parallel.engine;
  if (engine == CommEngine::kNccl) {
    throw refused("nccl",
                  "this program was built without NCCL, and training has no GPU ranks: "
                  "ranks exchange over threads or MPI");
  }
  if (std::optional<comm::Comm> world = comm::world_of_launcher(job_options(config))) {
    if (engine == CommEngine::kThreads) {
      throw refused("threads", fmt::format("a launcher started this process as one of {} ranks",
                                           world->size()));
    }
    if (ranks > 1) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("--ranks {}: the launcher has started {} ranks already", ranks,
                              world->size()));
    }
    return run_rank(*world, fn);
  }
  if (engine == CommEngine::kMpi) {
    throw refused("mpi",
                  "no launcher started this process as one of several ranks: "
                  "mpirun -n N fathom train ...");
  }
  comm::run_ranks(ranks, {.job = job_options(config)},
                  [&](comm::Comm& world) { run_rank(world, fn); });
}

}  // namespace fathom::cli
