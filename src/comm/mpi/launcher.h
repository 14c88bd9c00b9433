#pragma once
// How launchers of MPI programs tell a process what it is, before any MPI call.
#include <optional>

namespace fathom::comm {

struct LaunchedAs {
  const char* variable = "";
  int size = 1;
};

/// The first of OMPI_COMM_WORLD_SIZE (Open MPI's mpirun), PMI_SIZE (MPICH, Intel MPI, srun
/// --mpi=pmi2) and, beside PMIX_RANK, SLURM_STEP_NUM_TASKS (srun --mpi=pmix) that is set; nullopt:
/// started by none. Error kInvalidInput: set to something that is no number of ranks.
std::optional<LaunchedAs> launched_as();

}  // namespace fathom::comm
