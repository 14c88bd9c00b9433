#pragma once
// Ranks that a launcher started as processes: mpirun, srun, Kubernetes' MPI operator.
#include <optional>

#include "comm/comm.h"

namespace fathom::comm {

/// This process as a rank of the job that mpirun (or another launcher of MPI programs) started;
/// nullopt if none did, or as one rank alone. Collective, once in a process and before there are
/// forks of it. Reports and aborts go through MPI: when a deadline passes, or by Comm::abort, the
/// reason is logged and all processes of the job end with kExitLostRanks. An exception that leaves
/// the scope of the Comm ends the job too, by this process's exit code. Error kUnsupported: started
/// as one of several, but this program was built without MPI.
std::optional<Comm> world_of_launcher(const JobOptions& options);

/// For messages: "Open MPI v4.1.4", or how to get a build with MPI.
std::string mpi_description();

}  // namespace fathom::comm
