// The rules of serving.md 3.1 to 3.4, on the simulator: minutes of serving in milliseconds.
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

struct Beside {
  double wrong = 1;   // factor of the measurement at the start
  bool busy = false;  // another program doubles all times for ten seconds
  double slower = 1;  // a larger model
};

void expect_short_gaps_beside_a_32k_prompt(const Beside& how) {
  Machine machine;
  for (double* each : {&machine.decode_s, &machine.decode_row_s, &machine.decode_pair_s,
                       &machine.layer_s, &machine.layer_token_s, &machine.layer_pair_s}) {
    *each *= how.slower;
  }
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
  EXPECT_GE(sim.decode_only_s(), 0.25 * sim.decode_steps_s());
}

TEST(Simulation, NoStreamsGapIsAboveThreeTargetsBesideA32KPrompt) {
  expect_short_gaps_beside_a_32k_prompt({});
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

}  // namespace
}  // namespace fathom::engine
