// Time of one exchange of tokens between ranks, through the interface and through MPI alone:
//   mpirun -n 4 comm_bench comm|bare [TOKENS] [ELEMENTS] [ROUNDS]
// Every rank sends TOKENS rows of ELEMENTS BF16 numbers, as many to each rank, itself included.
// Prints the median and the best time of a round on rank 0; the bytes that arrived are checked.
// tools/compare_exchange.py runs both.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/check.h"
#include "base/clock.h"
#include "comm/mpi/world.h"
#if FATHOM_HAS_MPI
#include <mpi.h>
#endif

namespace fathom::comm {
namespace {

struct Sizes {
  i64 tokens = 512, elements = 1024;
  int rounds = 200;
  i64 bytes_to_each(int ranks) const { return tokens / ranks * elements * 2; }
};

std::byte expected_byte(int from, int to) { return static_cast<std::byte>(from * 16 + to + 1); }

void fill(std::span<std::byte> out, int rank, int ranks) {
  const size_t each = out.size() / static_cast<size_t>(ranks);
  for (int to = 0; to < ranks; ++to) {
    std::memset(out.data() + static_cast<size_t>(to) * each,
                static_cast<int>(expected_byte(rank, to)), each);
  }
}

void check(std::span<const std::byte> in, int rank, int ranks) {
  const size_t each = in.size() / static_cast<size_t>(ranks);
  for (size_t i = 0; i < in.size(); ++i) {
    FATHOM_CHECK(in[i] == expected_byte(static_cast<int>(i / each), rank), "wrong byte at ", i);
  }
}

/// `exchange` and `barrier` of rank `rank`: median and least time of a round, from a barrier on.
void measure(const char* what, int rank, int ranks, const Sizes& sizes,
             const std::function<void()>& exchange, const std::function<void()>& barrier) {
  std::vector<double> times;
  for (int round = 0; round < sizes.rounds + 10; ++round) {
    barrier();
    const auto start = Clock::now();
    exchange();
    if (round >= 10) times.push_back(seconds_since(start));
  }
  std::sort(times.begin(), times.end());
  if (rank != 0) return;
  const double median = times[times.size() / 2];
  const double bytes = static_cast<double>(sizes.bytes_to_each(ranks) * (ranks - 1));
  fmt::print(
      "{}: {} ranks, {} tokens of {} BF16 a rank: median {:.1f} us, best {:.1f} us, {:.2f} GB/s "
      "out\n",
      what, ranks, sizes.tokens, sizes.elements, median * 1e6, times[0] * 1e6,
      bytes / median * 1e-9);
}

void through_comm(Comm& comm, const Sizes& sizes) {
  const int ranks = comm.size();
  const auto each = static_cast<size_t>(sizes.bytes_to_each(ranks));
  std::vector<std::byte> out(each * static_cast<size_t>(ranks)), in(out.size());
  fill(out, comm.rank(), ranks);
  std::vector<Bytes> send;
  std::vector<MutableBytes> recv;
  for (size_t r = 0; r < static_cast<size_t>(ranks); ++r) {
    send.push_back(Bytes(out).subspan(r * each, each));
    recv.push_back(MutableBytes(in).subspan(r * each, each));
  }
  measure(
      "comm", comm.rank(), ranks, sizes, [&] { comm.all_to_all_v(send, recv); },
      [&] { comm.barrier(); });
  check(in, comm.rank(), ranks);
}

#if FATHOM_HAS_MPI
void through_mpi_alone(const Sizes& sizes) {
  MPI_Init(nullptr, nullptr);
  int rank = 0, ranks = 1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const auto each = static_cast<size_t>(sizes.bytes_to_each(ranks));
  std::vector<std::byte> out(each * static_cast<size_t>(ranks)), in(out.size());
  fill(out, rank, ranks);
  const std::vector<int> counts(static_cast<size_t>(ranks), static_cast<int>(each));
  std::vector<int> offsets;
  for (int r = 0; r < ranks; ++r) offsets.push_back(r * static_cast<int>(each));
  measure(
      "bare", rank, ranks, sizes,
      [&] {
        MPI_Alltoallv(out.data(), counts.data(), offsets.data(), MPI_BYTE, in.data(), counts.data(),
                      offsets.data(), MPI_BYTE, MPI_COMM_WORLD);
      },
      [] { MPI_Barrier(MPI_COMM_WORLD); });
  check(in, rank, ranks);
  MPI_Finalize();
}
#endif

int run(std::span<char*> words) {
  Sizes sizes;
  if (words.size() > 2) sizes.tokens = std::stoll(words[2]);
  if (words.size() > 3) sizes.elements = std::stoll(words[3]);
  if (words.size() > 4) sizes.rounds = std::stoi(words[4]);
  const std::string_view what = words.size() > 1 ? words[1] : "";
#if FATHOM_HAS_MPI
  if (what == "bare") {
    through_mpi_alone(sizes);
    return 0;
  }
#endif
  std::optional<Comm> world = what == "comm" ? world_of_launcher({}) : std::nullopt;
  if (!world) {
    fmt::print(stderr,
               "usage: mpirun -n 2 comm_bench comm|bare [TOKENS] [ELEMENTS] [ROUNDS] ({})\n",
               mpi_description());
    return 1;
  }
  through_comm(*world, sizes);
  return 0;
}

}  // namespace
}  // namespace fathom::comm

int main(int argc, char** argv) {
  return fathom::comm::run(std::span(argv, static_cast<size_t>(argc)));
}
