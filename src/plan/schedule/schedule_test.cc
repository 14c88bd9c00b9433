#include "plan/schedule/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/schedule/interleaved_pairs.h"
#include "plan/schedule/playback.h"
#include "plan/test_files.h"

namespace fathom::plan {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr Seconds kOne(1.0), kTwo(2.0), kThree(3.0);
constexpr StageTimes kUnit = {kOne, kOne, kOne, kTwo};

std::string text_of(const Schedule& schedule, size_t rank, bool one_chunk) {
  std::string text;
  for (const ScheduleOp& op : schedule.ops[rank]) {
    text += (text.empty() ? "" : " ") + to_string(op, one_chunk);
  }
  return text;
}

ScheduleKind kind_named(const std::string& name) {
  for (const auto kind : {ScheduleKind::k1F1B, ScheduleKind::kInterleaved, ScheduleKind::kZbH1,
                          ScheduleKind::kDualPipe, ScheduleKind::kDualPipeV}) {
    if (to_string(kind) == name) return kind;
  }
  ADD_FAILURE() << name;
  return ScheduleKind::k1F1B;
}

TEST(ScheduleGolden, ListsAreWhatDualPipesOwnCodeCalls) {
  const auto lines = golden_lines("schedules.txt");
  size_t cases = 0;
  for (size_t i = 0; i < lines.size(); ++cases) {
    std::istringstream head(lines[i++]);
    std::string name;
    i64 ranks = 0, micro_batches = 0;
    head >> name >> ranks >> micro_batches;
    const Schedule schedule = make_schedule(kind_named(name), ranks, micro_batches);
    for (i64 r = 0; r < ranks; ++r, ++i) {
      EXPECT_EQ(text_of(schedule, static_cast<size_t>(r), false), lines[i])
          << name << " " << ranks << " " << micro_batches << " rank " << r;
    }
  }
  EXPECT_EQ(cases, 15u);
}

TEST(ScheduleTest, PublishedPictureOfDualPipe) {
  const Schedule schedule = make_schedule(ScheduleKind::kDualPipe, 8, 20);
  EXPECT_EQ(text_of(schedule, 3, false),
            "F0.0 F1.0 F0.1 F1.1 F0.2 F1.2 F0.3 F1.3 F0.4 B1.0 [F1.4&B0.0] [F0.5&B1.1] [F1.5&B0.1] "
            "[F0.6&B1.2] [F1.6&B0.2] [F0.7&B1.3] [F1.7&B0.3] [F0.8&B1.4] [F1.8&B0.4] [F0.9&B1.5] "
            "[F1.9&B0.5] B1.6 B0.6 B1.7 B0.7 I1.8 I0.8 I1.9 I0.9 W W W W");
  EXPECT_EQ(text_of(make_schedule(ScheduleKind::kZbH1, 4, 8), 1, true),
            "F0 F1 F2 I0 F3 I1 W F4 I2 W F5 I3 W F6 I4 W F7 I5 W I6 W I7 W W");
}

struct Expected {
  ScheduleKind kind;
  i64 ranks, micro_batches;
  double makespan, bubble, alive;
};

TEST(ScheduleTest, BubblesAndPeaksOfThePublishedTable) {
  for (const Expected& e : {Expected{ScheduleKind::k1F1B, 8, 20, 81, 21, 8},
                            Expected{ScheduleKind::kZbH1, 8, 20, 67, 7, 8},
                            Expected{ScheduleKind::kDualPipe, 8, 20, 66, 6, 9},
                            Expected{ScheduleKind::kDualPipeV, 4, 10, 66, 6, 9},
                            Expected{ScheduleKind::kDualPipe, 16, 64, 206, 14, 17}}) {
    const Schedule schedule = make_schedule(e.kind, e.ranks, e.micro_batches);
    const Timeline played = play(schedule, OpTimes::uniform(schedule.stages, kUnit, kThree));
    EXPECT_EQ(played.makespan.value, e.makespan) << schedule.name;
    EXPECT_EQ(played.largest_bubble().value, e.bubble) << schedule.name;
    double alive = 0;
    for (i64 r = 0; r < e.ranks; ++r) alive = std::max(alive, peak_alive(schedule, r));
    EXPECT_EQ(alive, e.alive) << schedule.name;
  }
}

TEST(ScheduleTest, ClosedFormsEqualTheSimulation) {
  for (i64 ranks = 2; ranks <= 16; ranks += 2) {
    for (i64 micro = 2 * ranks; micro <= 2 * ranks + 12; micro += 2) {
      for (const auto kind : {ScheduleKind::k1F1B, ScheduleKind::kZbH1, ScheduleKind::kDualPipe,
                              ScheduleKind::kDualPipeV}) {
        const Schedule schedule = make_schedule(kind, ranks, micro);
        const Timeline played = play(schedule, OpTimes::uniform(schedule.stages, kUnit, kThree));
        EXPECT_EQ(played.makespan, closed_form_makespan(kind, ranks, micro, 1, kUnit, kThree))
            << schedule.name << " " << ranks << " " << micro;
        EXPECT_EQ(played.largest_bubble(), closed_form_bubble(kind, ranks, kUnit, kThree));
      }
    }
  }
}

TEST(ScheduleTest, InterleavedBubbleIsThatOfAChunk) {
  for (const i64 chunks : {2, 4}) {
    const Schedule schedule = make_schedule(ScheduleKind::kInterleaved, 4, 16, chunks);
    const Timeline played = play(schedule, OpTimes::uniform(schedule.stages, kUnit, kThree));
    EXPECT_EQ(played.makespan,
              closed_form_makespan(ScheduleKind::kInterleaved, 4, 16, chunks, kUnit, kThree));
    EXPECT_EQ(played.largest_bubble().value, 3 * 3.0);
  }
}

TEST(ScheduleTest, InterleavedPairsAreWholeAndHideHalf) {
  for (const i64 ranks : {1, 2, 4, 8}) {
    for (const i64 chunks : {2, 3, 8}) {
      for (const i64 groups : {1, 2, 5}) {
        EXPECT_THAT(check_schedule(interleaved_pairs(ranks, groups * ranks, chunks)), IsEmpty());
      }
    }
  }
  const Schedule pairs = interleaved_pairs(2, 4, 2);
  EXPECT_EQ(text_of(pairs, 1, false),
            "F0.0 F0.1 F1.0 [F1.1&B1.0] [F0.2&B1.1] [F0.3&B0.0] [F1.2&B0.1] [F1.3&B1.2] B1.3 B0.2 "
            "B0.3");
  // A pair of 2 in place of 1 + 2: of 256 passes on the first rank 11 are alone.
  const auto makespan = [&](const Schedule& schedule) {
    return play(schedule, OpTimes::uniform(schedule.stages, kUnit, kTwo)).makespan.value;
  };
  EXPECT_EQ(makespan(make_schedule(ScheduleKind::kInterleaved, 4, 64, 2)), 128 * 3.0 + 9.0);
  EXPECT_LE(makespan(interleaved_pairs(4, 64, 2)), 117 * 2.0 + 11 * 3.0 + 9.0);
}

TEST(ScheduleTest, UnequalTimesStayBelowTheFormula) {
  const StageTimes times = {kTwo, kTwo, kOne, kThree};
  const Schedule schedule = make_schedule(ScheduleKind::kDualPipe, 8, 20);
  const Timeline played = play(schedule, OpTimes::uniform(8, times, Seconds(4.0)));
  EXPECT_EQ(played.makespan.value, 101.0);
  std::vector<double> bubbles;
  for (const Seconds b : played.bubble) bubbles.push_back(b.value);
  EXPECT_THAT(bubbles, testing::ElementsAre(10, 11, 12, 12, 12, 12, 11, 10));
  EXPECT_EQ(closed_form_bubble(ScheduleKind::kDualPipe, 8, times, Seconds(4.0)).value, 12.0);
}

TEST(ScheduleTest, ASlowStageHoldsUpTheOthers) {
  const Schedule schedule = make_schedule(ScheduleKind::k1F1B, 4, 8);
  OpTimes times = OpTimes::uniform(4, kUnit, kThree);
  times.stages[2] = {kTwo, kTwo, kTwo, Seconds(4.0)};
  const Timeline played = play(schedule, times);
  // Stage 2 works 8 (2 + 4) = 48, begins behind two forwards and ends before two backwards; once,
  // for its first gradient, it waits: stage 3 returns it at 7, stage 2 has had nothing to do
  // since 6.
  EXPECT_EQ(played.makespan.value, 48 + 2 * 1 + 2 * 2 + 1);
  EXPECT_EQ(played.bubble[2].value, played.makespan.value - 48);
}

TEST(ScheduleTest, TransfersAddUpOnTheWay) {
  const Schedule schedule = make_schedule(ScheduleKind::k1F1B, 4, 1);
  OpTimes times = OpTimes::uniform(4, kUnit, kThree);
  times.transfer = Seconds(0.5);
  EXPECT_EQ(play(schedule, times).makespan.value, 4 * 3 + 6 * 0.5);
}

TEST(ScheduleCheck, GeneratedSchedulesAreWhole) {
  for (i64 ranks = 1; ranks <= 8; ++ranks) {
    for (i64 micro = 1; micro <= 20; ++micro) {
      for (const auto kind : {ScheduleKind::k1F1B, ScheduleKind::kInterleaved, ScheduleKind::kZbH1,
                              ScheduleKind::kDualPipe, ScheduleKind::kDualPipeV}) {
        if (!schedule_problem(kind, ranks, micro, 3).empty()) continue;
        EXPECT_THAT(check_schedule(make_schedule(kind, ranks, micro, 3)), IsEmpty())
            << to_string(kind) << " " << ranks << " " << micro;
      }
    }
  }
}

std::string broken(const std::function<void(Schedule&)>& change) {
  Schedule schedule = make_schedule(ScheduleKind::kZbH1, 4, 8);
  change(schedule);
  std::string text;
  for (const std::string& problem : check_schedule(schedule)) text += problem + "\n";
  return text;
}

TEST(ScheduleCheck, NamesWhatIsWrong) {
  EXPECT_THAT(broken([](Schedule& s) { s.ops[1].erase(s.ops[1].begin() + 3); }),
              HasSubstr("rank 1: W: no weight work is pending"));
  EXPECT_THAT(broken([](Schedule& s) { s.ops[1].resize(5); }),
              HasSubstr("rank 1: 7 B are missing"));
  EXPECT_THAT(broken([](Schedule& s) { s.ops[2].pop_back(); }), HasSubstr("rank 2: 1 W"));
  EXPECT_THAT(broken([](Schedule& s) { std::swap(s.ops[3][0], s.ops[3][1]); }),
              HasSubstr("rank 3: I0.0: before its forward pass"));
  EXPECT_THAT(broken([](Schedule& s) { s.ops[0][1] = s.ops[0][0]; }), HasSubstr("F0.0: twice"));
  EXPECT_THAT(broken([](Schedule& s) { s.chunks[1][0].stage = 2; }),
              HasSubstr("stage 1 of path 0 is on 0 ranks"));
  // Rank 0 wants the gradient of micro-batch 1 before it has sent micro-batch 4, which rank 1,
  // still in its warm-up, needs first.
  EXPECT_THAT(broken([](Schedule& s) {
                for (auto& ops : s.ops)
                  std::rotate(ops.begin() + 1, ops.begin() + 2, ops.begin() + 5);
              }),
              Not(IsEmpty()));
}

TEST(ScheduleCheck, FindsADeadlock) {
  Schedule schedule = make_schedule(ScheduleKind::k1F1B, 2, 2);
  // Rank 0: F0 B0 F1 B1; rank 1: F0 F1 B0 B1, which waits for F1 of rank 0, which waits for B0.
  const auto f = [](i32 k) { return ScheduleOp{.kind = OpKind::kForward, .micro_batch = k}; };
  const auto b = [](i32 k) { return ScheduleOp{.kind = OpKind::kBackward, .micro_batch = k}; };
  schedule.ops = {{f(0), b(0), f(1), b(1)}, {f(0), f(1), b(0), b(1)}};
  EXPECT_THAT(check_schedule(schedule),
              testing::Contains(HasSubstr("deadlock: rank 0 waits at B")));
}

TEST(ScheduleTest, WhatDoesNotFitIsSaid) {
  EXPECT_THAT(schedule_problem(ScheduleKind::kDualPipe, 3, 8, 1), HasSubstr("found 3"));
  EXPECT_THAT(schedule_problem(ScheduleKind::kDualPipe, 4, 9, 1), HasSubstr("even"));
  EXPECT_THAT(schedule_problem(ScheduleKind::kDualPipeV, 4, 7, 1), HasSubstr("at least 8"));
  EXPECT_THAT(schedule_problem(ScheduleKind::kInterleaved, 4, 6, 2), HasSubstr("multiple of 4"));
}

}  // namespace
}  // namespace fathom::plan
