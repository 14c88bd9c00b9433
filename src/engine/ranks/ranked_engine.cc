#include "engine/ranks/ranked_engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/log.h"
#include "base/parallel.h"
#include "comm/missing_ranks.h"
#include "comm/threads/run_ranks.h"
#include "engine/ranks/prefix_router.h"
#include "engine/ranks/rank_totals.h"
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

class RankedEngine final : public Engine {
 public:
  RankedEngine(const model::Model& model, const tokenizer::Tokenizer* tokenizer,
               const EngineOptions& options, const RankOptions& ranks)
      : model_(model),
        tokenizer_(tokenizer),
        options_(options),
        rank_options_(ranks),
        shape_(rank_shape(std::max<i64>(1, model.config().n_routed_experts), ranks.ranks,
                          ranks.redundant_experts)) {
    for (int r = 0; r < ranks.ranks; ++r) ranks_.push_back({ranks.make_context(), nullptr});
    thread_ = std::thread([this] { run(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_ == rank_options_.ranks || broken_; });
    if (!broken_) return;
    lock.unlock();
    thread_.join();
    std::rethrow_exception(broken_);
  }

  ~RankedEngine() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      ++news_;
    }
    changed_.notify_all();
    thread_.join();
  }

  Result<Submission> submit(GenerateRequest request) override {
    auto submission = submit_to_rank(std::move(request));
    tell();
    return submission;
  }

  bool step() override {
    std::unique_lock lock(mutex_);
    const u64 seen = steps_;
    changed_.wait_for(lock, kLookAround, [&] { return steps_ != seen; });
    lock.unlock();
    return num_running() + num_waiting() > 0;
  }
  void fail_all(const std::string& message) override {
    for (Rank& rank : ranks_) rank.engine->fail_all(message);
    tell();
  }
  void forget(const std::string& tenant) override {
    for (Rank& rank : ranks_) rank.engine->forget(tenant);
    tell();
  }
  void wait(double timeout_s) override {
    std::unique_lock lock(mutex_);
    const u64 seen = steps_;
    changed_.wait_for(lock, std::chrono::duration<double>(timeout_s),
                      [&] { return steps_ != seen; });
  }

  i64 context_tokens() const override { return options_.context_tokens; }
  bool drafts() const override { return ranks_.front().engine->drafts(); }
  EngineCounters counters() const override {
    EngineCounters total = ranks_.front().engine->counters();
    for (size_t r = 1; r < ranks_.size(); ++r) add_counters(ranks_[r].engine->counters(), total);
    const std::lock_guard lock(mutex_);
    total.experts = experts_;
    return total;
  }
  i64 num_pages() const override { return sum(&Engine::num_pages); }
  i64 num_free_pages() const override { return sum(&Engine::num_free_pages); }
  i64 num_cached_pages() const override { return sum(&Engine::num_cached_pages); }
  i64 num_running() const override { return sum(&Engine::num_running); }
  i64 num_waiting() const override { return sum(&Engine::num_waiting); }
  double stalled_s() const override {
    {
      const std::lock_guard lock(mutex_);
      if (broken_) return seconds_since(broken_since_);
    }
    double most = 0.0;
    for (const Rank& rank : ranks_) most = std::max(most, rank.engine->stalled_s());
    return most;
  }

 private:
  struct Rank {
    Ctx ctx;
    std::unique_ptr<Engine> engine;
  };

  i64 sum(i64 (Engine::*number)() const) const {
    i64 total = 0;
    for (const Rank& rank : ranks_) total += (rank.engine.get()->*number)();
    return total;
  }

  /// Under the lock throughout: what a rank accepted before serving ended is what lose() ends.
  Result<Submission> submit_to_rank(GenerateRequest request) {
    const std::lock_guard lock(mutex_);
    if (broken_) return fail(ErrorCode::kIo, broken_message_);
    std::vector<i64> loads;
    for (const Rank& rank : ranks_) {
      loads.push_back(rank.engine->num_running() + rank.engine->num_waiting());
    }
    const i64 rank = router_.choose(request.tenant, request.cache_salt, request.prompt_ids, loads);
    const i64 least = std::ranges::min_element(loads) - loads.begin();
    Engine& chosen = *ranks_[static_cast<size_t>(rank)].engine;
    if (rank == least) return chosen.submit(std::move(request));
    auto submission = chosen.submit(request);
    if (!submission || submission->stream != nullptr) return submission;
    // Its cached text is there, but no place in its queue.
    return ranks_[static_cast<size_t>(least)].engine->submit(std::move(request));
  }

  /// There is something new for the ranks.
  void tell() {
    {
      const std::lock_guard lock(mutex_);
      ++news_;
    }
    changed_.notify_all();
  }

  void run() {
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

  void run_rank(comm::Comm& world) {
    ::pthread_setname_np(::pthread_self(), fmt::format("rank {}", world.rank()).c_str());
    const OwnThreads team(std::max(1, num_threads() / world.size()));
    Rank& mine = ranks_[static_cast<size_t>(world.rank())];
    comm::Comm moves = world.split(0, world.rank(), "moves");
    model::ExpertRanks experts(mine.ctx, world, moves, model_, first_maps(model_, shape_),
                               {.wire = rank_options_.wire, .deal = rank_options_.deal});
    EngineOptions options = options_of_rank(options_, world.rank(), world.size());
    options.run.ranks = &experts;
    mine.engine = make_engine(mine.ctx, model_, tokenizer_, options);  // it may time passes
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

  /// False: all ranks stop.
  bool step_together(int rank, Engine& engine, model::ExpertRanks& experts,
                     ExpertBalancer& balancer) {
    std::unique_lock lock(mutex_);
    const u64 seen = news_;
    model::StepWord mine{.stops = stopping_ ? 1 : 0};
    lock.unlock();
    try {
      mine.has_work = engine.step() ? 1 : 0;
    } catch (const comm::LostRanks&) {
      throw;
    } catch (const std::exception& fault) {  // ours; the other ranks go on
      log::error("a step of rank {} failed: {}", rank, fault.what());
      engine.fail_all(fault.what());
    }
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

  /// In the handler of `error`, on the thread of a rank that cannot go on: what it runs hears why,
  /// and so does whoever comes. It waits for no other rank, which may come back late or never.
  void lose(int rank, const std::exception& error) {
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
      engine->fail_all(message);
      engine->step();  // it ends them, and runs no pass
    } catch (const std::exception& fault) {
      log::error("requests of rank {} could not be ended: {}", rank, fault.what());
    }
  }

  const model::Model& model_;
  const tokenizer::Tokenizer* tokenizer_;
  const EngineOptions options_;
  const RankOptions rank_options_;
  const plan::PlacementShape shape_;
  std::vector<Rank> ranks_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int started_ = 0;
  bool stopping_ = false;
  u64 news_ = 0;   // of clients
  u64 steps_ = 0;  // with work
  ExpertCounters experts_;
  PrefixRouter router_{rank_options_.ranks};
  std::exception_ptr broken_;
  std::string broken_message_;  // for clients
  Clock::time_point broken_since_;
  std::thread thread_;  // last: rank 0, and it starts the others
};

std::unique_ptr<Engine> make_ranked_engine(const model::Model& model,
                                           const tokenizer::Tokenizer* tokenizer,
                                           const EngineOptions& options, const RankOptions& ranks) {
  return std::make_unique<RankedEngine>(model, tokenizer, options, ranks);
}

}  // namespace fathom::engine
