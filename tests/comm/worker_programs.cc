#include "comm/worker_programs.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/rng.h"
#include "comm/ordered.h"

namespace fathom::comm {
namespace {

/// FNV-1a.
void add_to(u64& hash, Bytes bytes) {
  for (const std::byte byte : bytes) hash = (hash ^ static_cast<u64>(byte)) * 0x100000001b3ull;
}

struct Random {
  Philox philox;
  u64 at = 0;
  u32 next() { return philox.at(at++)[0]; }
  std::vector<std::byte> bytes(size_t count) {
    std::vector<std::byte> all(count);
    for (std::byte& byte : all) byte = static_cast<std::byte>(next());
    return all;
  }
};

/// Many empty, some long enough for another protocol of MPI.
size_t size_of(u64 seed, i64 round, int from, int to) {
  const auto w =
      Philox(seed ^ 0x51, static_cast<u64>(round)).at(static_cast<u64>(from * 1000 + to));
  if (w[0] % 4 == 0) return 0;
  return w[0] % 16 == 1 ? 70'000 + w[1] % 1000 : w[1] % 300;
}

void all_to_all(Comm& comm, u64 seed, i64 round, Random& random, u64& hash) {
  std::vector<std::vector<std::byte>> out, in;
  std::vector<Bytes> send;
  std::vector<MutableBytes> recv;
  for (int r = 0; r < comm.size(); ++r) {
    const int from = comm.world_rank(r), to = comm.world_rank(comm.rank());
    out.push_back(random.bytes(size_of(seed, round, to, from)));
    in.emplace_back(size_of(seed, round, from, to));
  }
  for (size_t r = 0; r < out.size(); ++r) {
    send.emplace_back(out[r]);
    recv.emplace_back(in[r]);
  }
  comm.all_to_all_v(send, recv);
  for (const auto& part : in) add_to(hash, part);
}

void sums(Comm& comm, OrderedSums& ordered, Random& random, u64& hash) {
  std::vector<i64> counts(9);
  for (i64& count : counts) count = random.next();
  comm.all_reduce_i64(counts, Reduce::kSum);
  add_to(hash, std::as_bytes(std::span(counts)));
  std::vector<float> values(1037);
  for (float& value : values) {
    value = std::ldexp(static_cast<float>(random.next()) - 0x1p31f,
                       -static_cast<int>(random.next() % 40));
  }
  ordered.all_reduce(std::span(values));
  add_to(hash, std::as_bytes(std::span(values)));
}

/// Around the ring, with two tags, the second overtaking the first.
void ring(Comm& comm, Random& random, u64& hash) {
  if (comm.size() == 1) return;
  const int right = (comm.rank() + 1) % comm.size();
  const int left = (comm.rank() + comm.size() - 1) % comm.size();
  const std::vector<std::byte> first = random.bytes(100), second = random.bytes(50'000);
  std::vector<std::byte> got_first(100), got_second(50'000);
  Pending a = comm.start_send(right, 1, first), b = comm.start_send(right, 2, second);
  comm.recv(left, 2, got_second);
  comm.recv(left, 1, got_first);
  a.wait();
  b.wait();
  add_to(hash, got_first);
  add_to(hash, got_second);
}

}  // namespace

u64 digest_of_everything(Comm& comm, u64 seed, i64 rounds) {
  u64 hash = 0xcbf29ce484222325ull;
  Random random{Philox(seed, static_cast<u64>(comm.rank()))};
  Comm group = comm.split(comm.rank() % 2, -comm.rank(), "parity");
  OrderedSums in_world(comm, {.block_bytes = 1024}), in_group(group, {.block_bytes = 64});
  for (i64 round = 0; round < rounds; ++round) {
    all_to_all(comm, seed, round, random, hash);
    all_to_all(group, seed, round + 1000, random, hash);
    sums(comm, in_world, random, hash);
    sums(group, in_group, random, hash);
    ring(group, random, hash);
    std::vector<std::byte> said = random.bytes(333);
    comm.broadcast(said, static_cast<int>(round) % comm.size());
    add_to(hash, said);
    comm.barrier();
  }
  return hash;
}

void exchange_until_signal(Comm& comm, i64 at_operation, int signal) {
  std::vector<i64> values(1000, comm.rank());
  for (i64 operation = 0;; ++operation) {
    comm.set_place({.step = operation / 10, .layer = static_cast<i32>(operation % 10)});
    if (operation == at_operation) {
      const auto now = std::chrono::system_clock::now().time_since_epoch();
      fmt::print(stderr, "signal at {:.3f}\n", std::chrono::duration<double>(now).count());
      raise(signal);
    }
    comm.all_reduce_i64(values, Reduce::kMax);
  }
}

void call_something_else(Comm& comm, bool same_operation) {
  comm.barrier();
  std::vector<std::byte> data(comm.rank() == 1 && same_operation ? 24 : 16);
  if (comm.rank() != 1 || same_operation) {
    comm.broadcast(data, 0);
  } else {
    comm.barrier();
  }
  comm.barrier();
}

}  // namespace fathom::comm
