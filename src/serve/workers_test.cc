#include "serve/workers.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <utility>

namespace fathom::serve {
namespace {

TEST(WorkersTest, WhatNeverBeganIsGoneWhenTheyHaveStopped) {
  Workers workers(1);
  std::promise<void> begun;
  workers.run([&] {
    begun.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  begun.get_future().wait();
  auto held = std::make_shared<int>(1), late = std::make_shared<int>(2);
  const std::weak_ptr<int> waiting = held, refused = late;
  workers.run([held = std::move(held)] {});
  EXPECT_FALSE(waiting.expired());
  workers.stop();
  EXPECT_TRUE(waiting.expired());
  workers.run([late = std::move(late)] {});
  EXPECT_TRUE(refused.expired());
}

}  // namespace
}  // namespace fathom::serve
