#include "engine/stream.h"

#include <gtest/gtest.h>

namespace fathom::engine {
namespace {

TEST(Stream, TellsItsListenerOnceAStepAndNoOneElseAfterwards) {
  Stream stream;
  stream.open(1, 8);
  int calls = 0;
  stream.listen([&] { ++calls; });
  EXPECT_EQ(calls, 0) << "nothing is there yet";
  stream.notify();
  EXPECT_EQ(calls, 0);
  stream.write({.id = 1}, "a");
  stream.write({.id = 2}, "b");
  EXPECT_EQ(calls, 0) << "a step is not over";
  stream.notify();
  stream.notify();
  EXPECT_EQ(calls, 1);

  int later = 0;
  stream.listen([&] { ++later; });
  EXPECT_EQ(later, 1) << "what is there is told at once";
  Events news;
  EXPECT_TRUE(stream.try_read(news));
  EXPECT_EQ(news.text, "ab");
  stream.write({.kind = Event::Kind::kFinish}, "");
  stream.notify();
  EXPECT_EQ(later, 2);
  EXPECT_TRUE(stream.try_read(news));
  stream.listen([&] { ++calls; });
  EXPECT_EQ(calls, 2) << "it has ended, which is news too";
  stream.listen({});
  stream.write({.id = 3}, "c");
  stream.notify();
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace fathom::engine
