// comm_worker ENGINE PROGRAM ...: one rank of tests/comm, or all of them as threads.
//   comm_worker mpi|threads:RANKS [--deadline S] [--debug] [--ranks-per-node N] PROGRAM
//     digest SEED ROUNDS        prints "rank R: HASH"
//     signal RANK OPERATION S   that rank raises signal S before that operation
//     mismatch operation|size   rank 1 calls something else
//     abort | throw             rank 1 ends the job
//     late RANK S               that rank sleeps S seconds in front of a barrier
#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <iterator>
#include <thread>

#include "base/check.h"
#include "comm/mpi/world.h"
#include "comm/threads/run_ranks.h"
#include "comm/worker_programs.h"

namespace fathom::comm {
namespace {

struct Arguments {
  std::vector<std::string> words;
  size_t next = 0;
  std::string take() {
    FATHOM_CHECK(next < words.size(), "an argument is missing");
    return words[next++];
  }
  i64 number() { return std::stoll(take()); }
  bool take_if(const std::string& word) {
    if (next >= words.size() || words[next] != word) return false;
    ++next;
    return true;
  }
};

void run_program(Comm& comm, Arguments arguments) {
  const std::string program = arguments.take();
  if (program == "digest") {
    const auto seed = static_cast<u64>(arguments.number());
    const u64 hash = digest_of_everything(comm, seed, arguments.number());
    fmt::print("rank {}: {:016x}\n", comm.rank(), hash);
  } else if (program == "signal") {
    const bool mine = arguments.number() == comm.rank();
    const i64 operation = arguments.number();
    exchange_until_signal(comm, mine ? operation : -1, static_cast<int>(arguments.number()));
  } else if (program == "mismatch") {
    call_something_else(comm, arguments.take() == "size");
  } else if (program == "abort") {
    if (comm.rank() == 1) comm.abort("rank 1 has seen enough");
    comm.barrier();
  } else if (program == "throw") {
    if (comm.rank() == 1) throw Error(ErrorCode::kIo, "rank 1's disk is full");
    comm.barrier();
  } else if (program == "late") {
    const bool mine = arguments.number() == comm.rank();
    const i64 seconds = arguments.number();
    if (mine) std::this_thread::sleep_for(std::chrono::seconds(seconds));
    comm.barrier();
  } else {
    FATHOM_CHECK(false, "no program ", program);
  }
}

void run(Arguments arguments) {
  const std::string engine = arguments.take();
  ThreadsOptions options;
  while (true) {
    if (arguments.take_if("--deadline")) {
      options.job.deadline_s = std::stod(arguments.take());
    } else if (arguments.take_if("--debug")) {
      options.job.debug = true;
    } else if (arguments.take_if("--ranks-per-node")) {
      options.job.ranks_per_node = static_cast<int>(arguments.number());
    } else {
      break;
    }
  }
  if (engine != "mpi") {
    const int ranks = std::stoi(engine.substr(engine.find(':') + 1));
    return run_ranks(ranks, options, [&](Comm& comm) { run_program(comm, arguments); });
  }
  std::optional<Comm> world = world_of_launcher(options.job);
  if (!world) {
    fmt::print("started by no launcher ({})\n", mpi_description());
    return;
  }
  run_program(*world, arguments);
}

}  // namespace
}  // namespace fathom::comm

int main(int argc, char** argv) {
  using namespace fathom;
  try {
    comm::run({std::vector<std::string>(argv + 1, argv + argc)});
    return 0;
  } catch (const comm::LostRanks& lost) {
    fmt::print(stderr, "lost: {}\n", lost.message());
    return comm::kExitLostRanks;
  } catch (const Error& error) {
    fmt::print(stderr, "error: {}\n", error.message());
    return error.code() == ErrorCode::kInternal ? 2 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
}
