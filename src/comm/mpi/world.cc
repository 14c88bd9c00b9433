#if FATHOM_HAS_MPI
#include "comm/mpi/world.h"

#include <algorithm>
#include <exception>
#include <numeric>

#include "comm/mpi/launcher.h"
#include "comm/mpi/mpi_engine.h"

namespace fathom::comm {
namespace {

/// The engine for as long as a group of it lives.
class Session {
 public:
  Session(std::shared_ptr<MpiEngine> engine, double limit_s)
      : engine_(std::move(engine)), limit_s_(limit_s), exceptions_(std::uncaught_exceptions()) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    if (std::uncaught_exceptions() > exceptions_) {
      engine_->leave();
    } else {
      engine_->finalize(limit_s_);
    }
  }
  MpiEngine& engine() { return *engine_; }

 private:
  const std::shared_ptr<MpiEngine> engine_;
  const double limit_s_;
  const int exceptions_;
};

class MpiTransport final : public Transport {
 public:
  MpiTransport(std::shared_ptr<Session> session, MPI_Comm comm, std::vector<int> members, int rank)
      : session_(std::move(session)), comm_(comm), members_(std::move(members)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }
  int node_of(int rank) const override {
    return session_->engine().world().nodes[static_cast<size_t>(world_rank(rank))];
  }
  int world_rank(int rank) const override { return members_[static_cast<size_t>(rank)]; }

  void post(Exchange& exchange) override { session_->engine().post(comm_, exchange); }
  bool wait(Exchange& exchange, Clock::time_point deadline) override {
    return session_->engine().wait(exchange, deadline);
  }
  bool test(Exchange& exchange) override { return session_->engine().test(exchange); }
  void withdraw(Exchange& exchange) noexcept override { session_->engine().withdraw(exchange); }

  std::unique_ptr<Transport> subgroup(std::span<const int> members, u64) override {
    std::vector<int> in_job;
    for (const int member : members) in_job.push_back(world_rank(member));
    const auto mine = std::find(members.begin(), members.end(), rank_);
    return std::make_unique<MpiTransport>(session_, session_->engine().subgroup(comm_, members),
                                          std::move(in_job),
                                          static_cast<int>(mine - members.begin()));
  }

  void abort(const std::string& reason) noexcept override { session_->engine().abort(reason); }

 private:
  const std::shared_ptr<Session> session_;  // MPI ends with its last group
  const MPI_Comm comm_;                     // freed by MPI_Finalize: groups are made once
  const std::vector<int> members_;
  const int rank_;
};

}  // namespace

std::string mpi_description() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<size_t>(length));
  return version.substr(0, version.find_first_of(",\n"));
}

std::optional<Comm> world_of_launcher(const JobOptions& options) {
  const auto launched = launched_as();
  if (!launched || launched->size == 1) return std::nullopt;
  auto session = std::make_shared<Session>(MpiEngine::start(), options.deadline_s);
  const MpiEngine::World& world = session->engine().world();
  std::vector<int> members(static_cast<size_t>(world.size));
  std::iota(members.begin(), members.end(), 0);
  return Comm(std::make_unique<MpiTransport>(session, world.comm, std::move(members), world.rank),
              std::make_shared<Job>(world.rank, world.size, options));
}

}  // namespace fathom::comm
#endif
