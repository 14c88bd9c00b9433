#pragma once
// Counts what operator new gives out: including this replaces it in the whole test binary, by one
// that counts; not under a sanitizer, which brings its own. Weak, so that several files may.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FATHOM_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FATHOM_TEST_SANITIZED
#endif
#endif

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/types.h"

namespace fathom::testing {

inline std::atomic<i64> num_allocations = 0;

/// A test that skips itself where nothing is counted.
class CountsAllocations : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef FATHOM_TEST_SANITIZED
    GTEST_SKIP() << "the sanitizer's operator new does not count";
#else
    const i64 before = num_allocations;
    const std::vector<int> one(1000);
    ASSERT_EQ(num_allocations - before, 1);
    ASSERT_EQ(one.size(), 1000u);
#endif
  }
};

#ifndef FATHOM_TEST_SANITIZED
inline void* counted_allocation(std::size_t size_bytes, std::size_t alignment) {
  ++num_allocations;
  const std::size_t rounded = (size_bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
#endif

}  // namespace fathom::testing

#ifndef FATHOM_TEST_SANITIZED
// Where GCC inlines one operator of a pair and not the other, it takes them for mismatched.
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
// NOLINTBEGIN(misc-definitions-in-headers): weak ones may be there twice.
[[gnu::weak]] void* operator new(std::size_t size) {
  return fathom::testing::counted_allocation(size, alignof(std::max_align_t));
}
[[gnu::weak]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return fathom::testing::counted_allocation(size, static_cast<std::size_t>(alignment));
}
[[gnu::weak]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::weak]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}
// NOLINTEND(misc-definitions-in-headers)
#endif
