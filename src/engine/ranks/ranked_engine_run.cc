// The ranks' threads: they step together, until one is lost or all are to stop.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>

#include "base/log.h"
#include "base/parallel.h"
#include "comm/missing_ranks.h"
#include "comm/threads/run_ranks.h"
#include "engine/ranks/rank_totals.h"
#include "engine/ranks/ranked_engine_impl.h"
#include "engine/ranks/serving_ended.h"

namespace fathom::engine {
namespace {

/// Ranks read weights and time passes unequally long: the deadline counts from a barrier behind
/// that.
constexpr double kStartS = 24 * 3600;
constexpr auto kLookAround = std::chrono::milliseconds(20);  // readers, limits, pages on disk
/// A rank that only hears of another's end waits so long for that one to say why.
constexpr auto kFirstSays = std::chrono::seconds(1);

/// For clients, who should see no place in our source.
std::string why_it_ended(int rank, const std::exception& error) {
  if (const auto* missing = dynamic_cast<const comm::MissingRanks*>(&error)) {
    return fmt::format("{}: rank{} {} did not come", kServingEnded,
                       missing->ranks().size() == 1 ? "" : "s", fmt::join(missing->ranks(), ", "));
  }
  return fmt::format("{}: rank {} failed", kServingEnded, rank);
}

}  // namespace

void RankedEngine::run() {
  comm::ThreadsOptions options;
  options.job.deadline_s = kStartS;
  options.job.hang_directory = rank_options_.hang_directory;
  try {
    comm::run_ranks(rank_options_.ranks, options, [&](comm::Comm& world) {
      try {
        run_rank(world);
      } catch (const std::exception& error) {
        lose(world.rank(), error);
        throw;
      }
    });
  } catch (const std::exception& error) {
    lose(0, error);  // where no rank did, which then have nothing
  }
}

void RankedEngine::run_rank(comm::Comm& world) {
  ::pthread_setname_np(::pthread_self(), fmt::format("rank {}", world.rank()).c_str());
  const OwnThreads team(std::max(1, num_threads() / world.size()));
  Rank& mine = ranks_[static_cast<size_t>(world.rank())];
  comm::Comm moves = world.split(0, world.rank(), "moves");
  model::ExpertRanks experts(mine.ctx, world, moves, model_, first_maps(model_, shape_),
                             {.wire = rank_options_.wire, .deal = rank_options_.deal});
  EngineOptions options = options_of_rank(options_, world.rank(), world.size());
  options.run.ranks = &experts;
  mine.engine = make_handover_engine(mine.ctx, model_, tokenizer_, options);  // it may time passes
  if (handover_) handover_->set_engine(world.rank(), *mine.engine);
  experts.end_step({});
  world.barrier();
  world.set_deadline(rank_options_.deadline_s);
  ExpertBalancer balancer(experts, world, shape_, rank_options_.balancer);
  {
    const std::lock_guard lock(mutex_);
    ++started_;
    experts_.ranks = world.size();
  }
  changed_.notify_all();
  while (step_together(world.rank(), *mine.engine, experts, balancer)) {
  }
}

/// True: it has work. A fault of ours ends what the rank has; the other ranks go on.
bool RankedEngine::step_rank(int rank, HandoverEngine& engine) {
  try {
    const bool looks = handover_ && handover_->look_around(rank);
    return engine.step() || looks;
  } catch (const comm::LostRanks&) {
    throw;
  } catch (const std::exception& fault) {
    log::error("a step of rank {} failed: {}", rank, fault.what());
    end_requests(rank, fault.what());
    return false;
  }
}

/// False: all ranks stop.
bool RankedEngine::step_together(int rank, HandoverEngine& engine, model::ExpertRanks& experts,
                                 ExpertBalancer& balancer) {
  std::unique_lock lock(mutex_);
  const u64 seen = news_;
  model::StepWord mine{.stops = stopping_ ? 1 : 0};
  lock.unlock();
  mine.has_work = step_rank(rank, engine) ? 1 : 0;
  bool any_stops = false, any_works = false;
  for (const model::StepWord& word : experts.end_step(mine)) {
    any_stops = any_stops || word.stops != 0;
    any_works = any_works || word.has_work != 0;
  }
  if (any_stops) return false;
  balancer.after_step(any_works);
  lock.lock();
  if (rank == 0) {
    experts_ = balancer.counters();
    if (any_works) ++steps_;
  }
  if (any_works) {
    lock.unlock();
    changed_.notify_all();
  } else {  // nobody has anything: until a request comes to any of them
    changed_.wait_for(lock, kLookAround, [&] { return news_ != seen; });
  }
  return true;
}

void RankedEngine::end_requests(int rank, const std::string& message) {
  if (handover_) handover_->fail_rank(rank, message);
  ranks_[static_cast<size_t>(rank)].engine->fail_all(message);
}

/// In the handler of `error`, on the thread of a rank that cannot go on: what it runs hears why,
/// and so does whoever comes. It waits for no other rank, which may come back late or never.
void RankedEngine::lose(int rank, const std::exception& error) {
  std::unique_lock lock(mutex_);
  const bool only_hears = dynamic_cast<const comm::LostRanks*>(&error) != nullptr &&
                          dynamic_cast<const comm::MissingRanks*>(&error) == nullptr;
  if (only_hears) changed_.wait_for(lock, kFirstSays, [&] { return broken_ != nullptr; });
  if (!broken_) {
    broken_ = std::current_exception();
    broken_message_ = why_it_ended(rank, error);
    broken_since_ = Clock::now();
    if (started_ == rank_options_.ranks) {  // else the constructor throws it
      log::error("serving over {} ranks has ended: {}", rank_options_.ranks, error.what());
    }
  }
  const std::string message = broken_message_;
  lock.unlock();
  changed_.notify_all();
  Engine* const engine = ranks_[static_cast<size_t>(rank)].engine.get();
  if (engine == nullptr) return;
  try {
    end_requests(rank, message);
    engine->step();  // it ends them, and runs no pass
  } catch (const std::exception& fault) {
    log::error("requests of rank {} could not be ended: {}", rank, fault.what());
  }
}

}  // namespace fathom::engine
