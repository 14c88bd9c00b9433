// The rules of serving.md 3.1 to 3.4, on the simulator: minutes of serving in milliseconds.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/rng.h"
#include "engine/schedule/test_simulator.h"

namespace fathom::engine {
namespace {

using End = Scripted::End;

SchedulerLimits limits() { return {.num_layers = 27}; }

Scripted request(double at_s, TenantId tenant, i64 prompt, i64 length) {
  return {.request = {.tenant = tenant, .prompt_tokens = prompt}, .at_s = at_s, .length = length};
}

i64 ended(const Simulator& sim, End how) {
  return std::count_if(sim.all().begin(), sim.all().end(),
                       [how](const Scripted& s) { return s.end == how; });
}

TEST(Simulation, ALateTenantStartsBeforeTheThirdOfAFloodCompletes) {
  SchedulerLimits two_rows = limits();
  two_rows.max_running = 2;
  Simulator sim(two_rows, {});
  for (int i = 0; i < 50; ++i) sim.add(request(0, 1, 200, 40));
  const size_t late = sim.add(request(0.1, 2, 200, 40));
  sim.run();
  std::vector<double> ends;
  for (size_t i = 0; i < 50; ++i) ends.push_back(sim.of(i).end_s);
  std::sort(ends.begin(), ends.end());
  EXPECT_LT(sim.of(late).start_s, ends[2]);
  EXPECT_EQ(ended(sim, End::kFinished), 51);
}

TEST(Simulation, WeightsOneAndThreeGetOneAndThreePartsOfTheWork) {
  SchedulerLimits few = limits();
  few.max_running = 4;
  Simulator sim(few, {});
  for (int i = 0; i < 100; ++i) {
    Scripted light = request(0, 1, 300, 60), heavy = request(0, 2, 300, 60);
    heavy.request.terms.weight = 3;
    sim.add(light);
    sim.add(heavy);
  }
  sim.run(40);
  i64 work[3] = {};
  for (const Scripted& s : sim.all()) {
    if (s.start_s >= 0) work[s.request.tenant] += s.request.prompt_tokens + s.generated;
  }
  EXPECT_GT(work[1], 3000) << "of " << sim.now_s() << " s";
  EXPECT_NEAR(static_cast<double>(work[2]) / static_cast<double>(work[1]), 3, 0.4);
}

TEST(Simulation, DecodedTokensAreWorkToo) {
  SchedulerLimits few = limits();
  few.max_running = 4;
  Simulator sim(few, {});
  for (int i = 0; i < 120; ++i) {
    sim.add(request(0, 1, 100, 500));
    sim.add(request(0, 2, 100, 20));
  }
  sim.run(120);
  double work[3] = {};
  for (const Scripted& s : sim.all()) {
    if (s.start_s >= 0) {
      work[s.request.tenant] += static_cast<double>(s.request.prompt_tokens + s.generated);
    }
  }
  EXPECT_GT(work[1], 4000);
  EXPECT_NEAR(work[2] / work[1], 1, 0.2);
}

TEST(Simulation, TheQueueIsBoundedAndWhoIsInItCompletes) {
  SchedulerLimits small = limits();
  small.max_running = 2;
  small.max_waiting = 8;
  Simulator sim(small, {});
  sim.add(request(0, 1, 100, 400));
  sim.add(request(0, 1, 100, 400));
  for (int i = 0; i < 9; ++i) sim.add(request(1, 1, 100, 10));
  sim.run();
  EXPECT_EQ(ended(sim, End::kRefused), 1);
  EXPECT_EQ(ended(sim, End::kFinished), 10);
  const Scripted& last = sim.of(10);
  EXPECT_EQ(last.admission.outcome, AdmissionOutcome::kQueueFull);
  EXPECT_LT(last.end_s - last.at_s, 0.05) << "refused at once";
  EXPECT_GE(last.admission.retry_after_s, 1);
  EXPECT_LT(last.admission.retry_after_s, 600);
}

Machine slowed(Machine machine, double factor) {
  for (double* each : {&machine.decode_s, &machine.decode_row_s, &machine.decode_pair_s,
                       &machine.layer_s, &machine.layer_token_s, &machine.layer_pair_s}) {
    *each *= factor;
  }
  return machine;
}

struct Beside {
  double wrong = 1;   // factor of the measurement at the start
  bool busy = false;  // another program doubles all times for ten seconds
  double slower = 1;  // a larger model
  double decode = 1;  // decode passes are slower still
};

void expect_short_gaps_beside_a_32k_prompt(const Beside& how) {
  Machine machine = slowed({}, how.slower);
  machine.decode_s *= how.decode;
  machine.decode_row_s *= how.decode;
  if (how.busy) {
    machine.slowdown = [](double now_s) { return now_s > 8 && now_s < 18 ? 2.0 : 1.0; };
  }
  Simulator sim(limits(), machine, how.wrong);
  std::vector<size_t> streams;
  for (int i = 0; i < 4; ++i) streams.push_back(sim.add(request(0, 1, 100, 100'000)));
  const size_t prompt = sim.add(request(5, 2, 32'768, 1));
  sim.run(5 + 600 * how.slower);
  for (const size_t stream : streams) {
    EXPECT_LE(sim.of(stream).longest_gap_over_target, 3);
    EXPECT_GT(sim.of(stream).generated, 500);
  }
  EXPECT_EQ(sim.of(prompt).end, End::kFinished) << "the prompt gets on as well";
  // The last slice would be paid back after it.
  EXPECT_GE(sim.decode_only_s(), 0.25 * (sim.decode_steps_s() - 0.3 * how.slower));
}

TEST(Simulation, NoStreamsGapIsAboveThreeTargetsBesideA32KPrompt) {
  expect_short_gaps_beside_a_32k_prompt({});
}

TEST(Simulation, ShortDecodePassesKeepAQuarterOfTheTimeToo) {
  // 100 ms beside passes of 6 ms would be a sixteenth.
  expect_short_gaps_beside_a_32k_prompt({.decode = 0.2});
  expect_short_gaps_beside_a_32k_prompt({.slower = 4, .decode = 0.05});
}

TEST(Simulation, NorIfTheMeasurementAtTheStartWasWrongByThree) {
  expect_short_gaps_beside_a_32k_prompt({.wrong = 1. / 3});
  expect_short_gaps_beside_a_32k_prompt({.wrong = 3});
}

TEST(Simulation, NorIfABusyProgramDoublesTimesForAWhile) {
  expect_short_gaps_beside_a_32k_prompt({.busy = true});
}

TEST(Simulation, NorIfALayerOfAFullChunkIsLongerThanTheTarget) {
  expect_short_gaps_beside_a_32k_prompt({.slower = 8});
}

TEST(Simulation, PagesForTwoOfFourLongRequestsAreEnoughForAllFour) {
  for (const i64 pages : {70, 75, 90, 110}) {
    Simulator sim(limits(), {});
    sim.set_pages(pages);
    for (int i = 0; i < 4; ++i)
      sim.add(request(0.01 * i, 1, 1000, 1000));  // 32 pages each, at the end
    sim.run();
    EXPECT_EQ(ended(sim, End::kFinished), 4);
    EXPECT_GT(sim.scheduler().counters().preemptions, 0u) << pages;
    for (const Scripted& s : sim.all()) EXPECT_LE(s.preemptions, 3);
  }
}

TEST(Simulation, WhoCanRunButAloneRunsAlone) {
  Simulator sim(limits(), {});
  sim.set_pages(33);
  for (int i = 0; i < 3; ++i) sim.add(request(0.01 * i, 1, 1000, 1000));
  sim.run();
  EXPECT_EQ(ended(sim, End::kFinished), 3);
  for (const Scripted& s : sim.all()) EXPECT_LE(s.preemptions, 3);
}

TEST(Simulation, ALongPromptProgressesThroughAFloodOfShortOnes) {
  // Short prompts alone would keep the machine busy for good: 400 tokens of them every 0.2 s.
  for (const double slower : {1.0, 20.0}) {
    Machine machine = slowed({}, slower);
    Simulator sim(limits(), machine);
    const size_t prompt = sim.add(request(0.1, 1, 8000, 1));
    for (u32 i = 0; i < 1500; ++i) sim.add(request(0.2 * slower * i, 2 + i % 7, 400, 1));
    sim.run(300 * slower);
    EXPECT_EQ(sim.of(prompt).end, End::kFinished) << slower;
    EXPECT_LE(sim.of(prompt).longest_stall_s, 30) << slower;
    EXPECT_GT(sim.of(prompt).end_s, 40 * slower)
        << "short ones go first, of which there are always";
    EXPECT_GT(ended(sim, End::kFinished), 300) << "short ones still pass it";
    for (const Scripted& s : sim.all()) EXPECT_LE(s.longest_stall_s, 30) << slower;
  }
}

TEST(Simulation, AFloodOfUrgentRequestsStarvesNobody) {
  SchedulerLimits few = limits();
  few.max_running = 2;
  Simulator sim(few, {});
  Scripted patient = request(1, 1, 100, 20);
  patient.request.priority = 100;
  const size_t last = sim.add(patient);
  for (int i = 0; i < 1000; ++i) {
    Scripted urgent = request(0.2 * i, 2, 300, 30);
    urgent.request.priority = -100;
    sim.add(urgent);
  }
  sim.run(150);
  EXPECT_EQ(sim.of(last).end, End::kFinished);
  EXPECT_GT(sim.of(last).start_s, 30) << "urgent ones did go first";
  EXPECT_LT(sim.of(last).start_s, 1 + 60 + 5);
}

TEST(Simulation, CancellationInEveryPhaseFreesAtOnceAndTouchesNobodyElse) {
  // The running request ends at the same time as without all the others that come and go: those in
  // the queue cost it nothing.
  SchedulerLimits one = limits();
  one.max_running = 1;
  double undisturbed_s = 0;
  for (const int waiting : {0, 100}) {
    Simulator sim(one, {});
    const size_t running = sim.add(request(0, 1, 500, 300));
    for (int i = 0; i < waiting; ++i) {
      Scripted queued = request(0.05 * i, 1 + static_cast<TenantId>(i % 3), 500, 300);
      queued.cancel_s = queued.at_s + 0.03;
      sim.add(queued);
    }
    sim.run();
    if (waiting == 0) undisturbed_s = sim.of(running).end_s;
    EXPECT_EQ(sim.of(running).end, End::kFinished);
    EXPECT_DOUBLE_EQ(sim.of(running).end_s, undisturbed_s);
    EXPECT_EQ(sim.scheduler().counters().cancelled[0], static_cast<u64>(waiting));
  }
  // In prefill and while decoding, at all times of a request's life. run() checks the accounts.
  Simulator sim(limits(), {});
  for (int i = 0; i < 200; ++i) {
    Scripted each = request(i, 1 + static_cast<TenantId>(i % 3), 1000, 100);
    each.cancel_s = i + 0.05 * (i % 100);
    sim.add(each);
  }
  sim.run();
  for (const Phase phase : {Phase::kPrefill, Phase::kDecode}) {
    EXPECT_GT(sim.scheduler().counters().cancelled[static_cast<size_t>(phase)], 20u);
  }
  for (const Scripted& s : sim.all()) {
    if (s.end != End::kCancelled) continue;
    EXPECT_LE(s.end_s - s.cancel_s, 0.2) << "within one step";
  }
}

TEST(Simulation, ContinuationsOfAPromptSharePagesAndAllFinish) {
  Simulator sim(limits(), {});
  sim.set_pages(60);
  for (int i = 0; i < 6; ++i) {
    Scripted each = request(0.1 * i, 1, 500, 200);
    each.request.sequences = 4;
    sim.add(each);
  }
  sim.run();
  EXPECT_EQ(ended(sim, End::kFinished), 24);
}

TEST(Simulation, AReaderThatTakesNothingIsNotScheduledAndThenCancelled) {
  Simulator sim(limits(), {});
  Scripted slow = request(0, 1, 100, 100'000), pausing = request(0, 1, 100, 2000);
  slow.block_s = 2;
  pausing.block_s = 2;
  pausing.unblock_s = 30;
  sim.add(slow);
  sim.add(pausing);
  sim.run();
  EXPECT_EQ(sim.of(0).end, End::kSlowReader);
  EXPECT_NEAR(sim.of(0).end_s, 32, 0.2);
  EXPECT_LT(sim.of(0).generated, 110) << "nothing while it is blocked";
  EXPECT_EQ(sim.of(1).end, End::kFinished);
}

TEST(Simulation, TheWallClockEndsARequest) {
  Simulator sim(limits(), {});
  sim.add(request(0, 1, 100, 1'000'000));
  sim.run();
  EXPECT_EQ(sim.of(0).end, End::kWallClock);
  EXPECT_NEAR(sim.of(0).end_s, 3600, 1);
}

/// Everything at once, drawn from `seed`; run() checks the accounts after every step.
void play(u64 seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  const Philox random(seed, 0);
  u64 draws = 0;
  const auto below = [&](double most) { return most * random.uniform(draws++); };
  const auto integer = [&](i64 from, i64 to) {
    return from + static_cast<i64>(below(static_cast<double>(to - from + 1)));
  };
  SchedulerLimits drawn{.num_layers = integer(1, 30),
                        .max_running = integer(1, 12),
                        .max_waiting = integer(1, 30),
                        .max_waiting_prompt_tokens = integer(500, 20'000),
                        .max_queue_s = below(100),
                        .chunk_tokens = integer(32, 512),
                        .max_preemptions = static_cast<int>(integer(1, 4))};
  Machine machine = slowed({}, std::exp(below(6) - 3));
  const double period_s = 0.5 + below(5);
  machine.slowdown = [period_s](double now_s) {
    return std::fmod(now_s, period_s) < 0.3 ? 3.0 : 1.0;
  };
  Simulator sim(drawn, machine, std::exp(below(3) - 1.5));
  sim.set_pages(integer(40, 120));  // the largest request needs 40
  const double pace_s = below(0.5);
  double at_s = 0;
  for (int i = 0; i < 40; ++i) {
    Scripted each = request(at_s += below(pace_s), static_cast<TenantId>(integer(1, 4)),
                            integer(1, below(1) < 0.2 ? 1500 : 200), integer(1, 150));
    each.request.terms = {.weight = 0.5 + below(2), .max_parallel = integer(0, 4)};
    each.request.priority = below(1) < 0.2 ? static_cast<int>(integer(-2, 2)) : 0;
    each.request.sequences = below(1) < 0.2 ? integer(1, std::min<i64>(4, drawn.max_running)) : 1;
    each.cached_tokens = std::min(each.request.prompt_tokens - 1, integer(0, 100));
    if (below(1) < 0.3) each.cancel_s = at_s + below(10);
    if (below(1) < 0.1) each.block_s = at_s + below(5);
    if (below(1) < 0.5) each.unblock_s = each.block_s + below(20);
    sim.add(each);
  }
  sim.run();
  for (const Scripted& s : sim.all()) EXPECT_LE(s.preemptions, drawn.max_preemptions);
}

TEST(Simulation, ThousandsOfRandomSchedulesKeepTheirAccounts) {
  for (u64 seed = 0; seed < 3000 && !HasFailure(); ++seed) play(seed);
}

}  // namespace
}  // namespace fathom::engine
