#include "engine/cache/paged_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/cache/test_pages.h"

namespace fathom::engine {
namespace {

using device::kPageTokens;

std::vector<i32> joined(std::vector<i32> a, const std::vector<i32>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

std::vector<i32> first(const std::vector<i32>& ids, i64 tokens) {
  return {ids.begin(), ids.begin() + tokens};
}

class PagedCacheTest : public ::testing::Test {
 protected:
  std::vector<PageId> allocate(i64 pages) {
    std::vector<PageId> result;
    for (i64 i = 0; i < pages; ++i) {
      result.push_back(cache_.allocate());
      EXPECT_NE(result.back(), kNoPage);
    }
    return result;
  }
  void release(const std::vector<PageId>& pages) {
    for (const PageId page : pages) cache_.release(page);
  }
  void release(const CacheHit& hit) {
    release(hit.pages);
    if (hit.partial != kNoPage) cache_.release(hit.partial);
  }
  /// A sequence that computes all of `ids` and ends. Returns its pages.
  std::vector<PageId> run(const Namespace& space, const std::vector<i32>& ids, i64 exact_tokens) {
    std::vector<PageId> pages = allocate((std::ssize(ids) + kPageTokens - 1) / kPageTokens);
    cache_.insert(space, ids, pages, exact_tokens);
    release(pages);
    return pages;
  }
  std::vector<PageId> run(const Namespace& space, const std::vector<i32>& ids) {
    return run(space, ids, std::ssize(ids));
  }
  /// A lookup that gives back what it gets.
  CacheHit look(const Namespace& space, const std::vector<i32>& ids, RowKind rows = RowKind::kAny) {
    CacheHit hit = cache_.lookup(space, ids, {std::ssize(ids), rows});
    release(hit);
    return hit;
  }
  i64 tokens(const Namespace& space, const std::vector<i32>& ids, RowKind rows = RowKind::kAny) {
    return look(space, ids, rows).tokens();
  }

  PagedCache cache_{kTestShape, {.num_pages = 8}};
};

TEST_F(PagedCacheTest, EveryPrefixLengthHits) {
  const std::vector<i32> ids = counting(300);
  const std::vector<PageId> pages = run(kAlice, ids);
  for (i64 length = 0; length <= 300; ++length) {
    std::vector<i32> text = first(ids, length);
    for (const i32 other : {-1, 1'000'000}) {  // before and behind its neighbours
      const CacheHit hit = look(kAlice, joined(text, std::vector<i32>(200, other)));
      ASSERT_EQ(hit.tokens(), length);
      ASSERT_EQ(std::ssize(hit.pages), length / kPageTokens);
      ASSERT_EQ(hit.exact_tokens, length);
      for (size_t p = 0; p < hit.pages.size(); ++p) ASSERT_EQ(hit.pages[p], pages[p]);
      const PageId partial =
          length % kPageTokens == 0 ? kNoPage : pages[static_cast<size_t>(length / kPageTokens)];
      ASSERT_EQ(hit.partial, partial);
    }
    ASSERT_EQ(tokens(kAlice, text), length);
  }
}

TEST_F(PagedCacheTest, NoMoreThanTheLimit) {
  const std::vector<i32> ids = counting(256);
  const std::vector<PageId> pages = run(kAlice, ids);
  for (const i64 limit : {0, 1, 127, 128, 129, 255, 256}) {
    const CacheHit hit = cache_.lookup(kAlice, ids, {limit});
    EXPECT_EQ(hit.tokens(), limit);
    release(hit);
  }
  const CacheHit hit = cache_.lookup(kAlice, ids, {255});
  EXPECT_EQ(hit.partial, pages[1]) << "a full page serves its first tokens";
  EXPECT_EQ(cache_.lookup(kAlice, ids, {1000}).tokens(), 256);
  EXPECT_EQ(cache_.lookup(kAlice, ids, {-1}).tokens(), 0);
}

TEST_F(PagedCacheTest, AHitIsHeldForTheCaller) {
  const std::vector<i32> ids = counting(200);
  const std::vector<PageId> pages = run(kAlice, ids);
  const CacheHit hit = cache_.lookup(kAlice, ids, {200});
  EXPECT_EQ(cache_.references(pages[0]), 2);
  EXPECT_EQ(cache_.references(pages[1]), 2);
  release(hit);
  EXPECT_EQ(cache_.references(pages[0]), 1);
  EXPECT_EQ(cache_.references(pages[1]), 1);
}

// The thought is gone in the next turn; what stands before it hits.
TEST_F(PagedCacheTest, AfterAThinkingTurnTheCommonPartHits) {
  const std::vector<i32> prompt = counting(200), thought = counting(150, 5000),
                         answer = counting(60, 9000), question = counting(70, 7000);
  run(kAlice, joined(joined(prompt, thought), answer), 200);
  const std::vector<i32> turn2 = joined(joined(prompt, answer), question);
  EXPECT_EQ(tokens(kAlice, turn2), 200);
  EXPECT_EQ(tokens(kAlice, turn2, RowKind::kExact), 200);
}

TEST_F(PagedCacheTest, NamespacesNeverMeet) {
  const std::vector<i32> ids = counting(300);
  run(kAlice, ids);
  EXPECT_EQ(tokens(kBob, ids), 0);
  EXPECT_EQ(tokens({"alice", "salt"}, ids), 0);
  EXPECT_EQ(tokens({"", "alice"}, ids), 0);
  EXPECT_EQ(tokens({"", ""}, ids), 0);
  const std::vector<PageId> of_bob = run(kBob, ids);
  EXPECT_EQ(look(kBob, ids).pages[0], of_bob[0]);
  EXPECT_EQ(cache_.stats().at("bob").pages, 3);
}

TEST_F(PagedCacheTest, DuplicatesKeepThePageThatIsThere) {
  const std::vector<i32> ids = counting(200);
  const std::vector<PageId> pages = run(kAlice, ids);
  const i64 free = cache_.num_free();
  EXPECT_NE(run(kAlice, ids), pages);
  EXPECT_EQ(look(kAlice, ids).pages[0], pages[0]);
  EXPECT_EQ(look(kAlice, ids).partial, pages[1]);
  run(kAlice, first(ids, 150));
  EXPECT_EQ(cache_.num_free(), free) << "a part of what is there adds nothing";
}

TEST_F(PagedCacheTest, ALongerPageTakesTheShorterOnesPlace) {
  const std::vector<i32> ids = counting(200);
  run(kAlice, first(ids, 20));
  run(kAlice, joined(first(ids, 20), {-5}));
  run(kAlice, first(ids, 30));
  EXPECT_EQ(cache_.stats().at("alice").pages, 2) << "the one that went another way stays";
  run(kAlice, ids);
  EXPECT_EQ(cache_.stats().at("alice").pages, 3);
  EXPECT_EQ(tokens(kAlice, joined(first(ids, 20), {-5})), 21);
}

TEST_F(PagedCacheTest, AConcurrentRequestHitsFullPagesAsTheyFill) {
  const std::vector<i32> ids = counting(300);
  const std::vector<PageId> pages = allocate(3);
  cache_.insert(kAlice, first(ids, 128), {pages.data(), 1}, 128);
  EXPECT_EQ(tokens(kAlice, ids), 128);
  cache_.insert(kAlice, first(ids, 256), {pages.data(), 2}, 256);
  EXPECT_EQ(tokens(kAlice, ids), 256);
  EXPECT_EQ(cache_.references(pages[0]), 2);
  // The last page grows in place.
  cache_.insert(kAlice, first(ids, 280), pages, 280);
  EXPECT_EQ(tokens(kAlice, ids), 280);
  cache_.insert(kAlice, ids, pages, 300);
  EXPECT_EQ(tokens(kAlice, ids), 300);
  EXPECT_EQ(cache_.references(pages[2]), 2);
  EXPECT_EQ(cache_.stats().at("alice").tokens, 300);
}

TEST_F(PagedCacheTest, AnExactLookupSeesPromptRowsAlone) {
  const std::vector<i32> ids = counting(300);
  run(kAlice, ids, 150);
  EXPECT_EQ(tokens(kAlice, ids), 300);
  EXPECT_EQ(look(kAlice, ids).exact_tokens, 150);
  EXPECT_EQ(tokens(kAlice, ids, RowKind::kExact), 150);
  EXPECT_EQ(tokens(kAlice, first(ids, 140), RowKind::kExact), 140);
  // Of two continuations the exact one serves, though the other one shares more.
  std::vector<i32> fork = first(ids, 145);
  fork.push_back(-1);
  run(kAlice, fork, 146);
  EXPECT_EQ(tokens(kAlice, fork, RowKind::kExact), 146);
}

TEST_F(PagedCacheTest, AnExactPageReplacesATaintedOne) {
  const std::vector<i32> ids = counting(300);
  const std::vector<PageId> tainted = run(kAlice, ids, 0);
  EXPECT_EQ(tokens(kAlice, ids, RowKind::kExact), 0);
  const CacheHit reader = cache_.lookup(kAlice, ids, {300});
  const std::vector<PageId> exact = run(kAlice, ids, 290);
  EXPECT_EQ(look(kAlice, ids, RowKind::kExact).tokens(), 290);
  EXPECT_EQ(look(kAlice, ids).pages, (std::vector<PageId>{exact[0], exact[1]}));
  EXPECT_EQ(cache_.references(tainted[0]), 1) << "the reader's";
  release(reader);
  EXPECT_EQ(cache_.references(tainted[0]), 0);
  run(kAlice, ids, 0);
  EXPECT_EQ(tokens(kAlice, ids, RowKind::kExact), 290) << "and is not replaced in turn";
}

TEST_F(PagedCacheTest, LeastRecentlyUsedLeavesLeaveFirst) {
  const std::vector<i32> common = counting(128), a = joined(common, counting(128, 1000)),
                         b = joined(common, counting(128, 2000)), c = counting(128, 3000);
  const std::vector<PageId> pages_a = run(kAlice, a);
  const std::vector<PageId> pages_b = run(kAlice, b);
  const std::vector<PageId> pages_c = run(kAlice, c);
  look(kAlice, a);
  std::vector<PageId> order;
  const std::vector<PageId> taken = allocate(4);
  for (int i = 0; i < 4; ++i) order.push_back(cache_.allocate());
  EXPECT_EQ(order, (std::vector<PageId>{pages_b[1], pages_c[0], pages_a[1], pages_a[0]}));
  EXPECT_EQ(cache_.allocate(), kNoPage);
  EXPECT_EQ(cache_.stats().at("alice").evictions, 4);
  EXPECT_EQ(cache_.stats().at("alice").pages, 0);
}

TEST_F(PagedCacheTest, PagesInUseStay) {
  const std::vector<i32> a = counting(256), b = counting(256, 1000);
  run(kAlice, a);
  const std::vector<PageId> pages_b = run(kAlice, b);
  const CacheHit hit = cache_.lookup(kAlice, a, {256});
  look(kAlice, b);
  const std::vector<PageId> taken = allocate(4);
  EXPECT_EQ(cache_.allocate(), pages_b[1]);
  EXPECT_EQ(cache_.allocate(), pages_b[0]);
  EXPECT_EQ(cache_.allocate(), kNoPage);
  EXPECT_EQ(tokens(kAlice, a), 256);
  release(hit);
  EXPECT_NE(cache_.allocate(), kNoPage);
  EXPECT_EQ(tokens(kAlice, a), 128);
}

TEST_F(PagedCacheTest, WhoeverIsAboveItsShareLosesFirst) {
  const std::vector<PageId> old = run(kBob, counting(128));
  run(kAlice, counting(640));  // five of eight
  allocate(2);
  EXPECT_NE(cache_.allocate(), old[0]) << "though it is the oldest";
  EXPECT_EQ(cache_.stats().at("alice").pages, 4);
  EXPECT_EQ(cache_.allocate(), old[0]) << "within its share, age counts again";
}

TEST_F(PagedCacheTest, SaltsCountForTheirOwner) {
  run(kBob, counting(128));
  for (const char* salt : {"a", "b", "c", "d", "e"}) run({"alice", salt}, counting(128));
  allocate(3);
  EXPECT_EQ(cache_.stats().at("alice").pages, 4);
  EXPECT_EQ(tokens(kBob, counting(128)), 128);
  EXPECT_EQ(cache_.flush("alice"), 4);
  for (const char* salt : {"a", "b", "c", "d", "e"}) {
    EXPECT_EQ(tokens({"alice", salt}, counting(128)), 0);
  }
}

TEST_F(PagedCacheTest, AloneAnOwnerMayHaveAll) {
  run(kAlice, counting(1024));
  EXPECT_EQ(cache_.num_free(), 0);
  EXPECT_EQ(tokens(kAlice, counting(1024)), 1024);
}

TEST_F(PagedCacheTest, FlushDropsOneOwner) {
  const std::vector<i32> ids = counting(300);
  run(kAlice, ids);
  run(kBob, ids);
  const CacheHit hit = cache_.lookup(kAlice, ids, {300});
  EXPECT_EQ(cache_.flush("alice"), 3);
  EXPECT_EQ(cache_.flush("alice"), 0);
  EXPECT_EQ(cache_.flush("nobody"), 0);
  EXPECT_EQ(tokens(kAlice, ids), 0);
  EXPECT_EQ(tokens(kBob, ids), 300);
  EXPECT_EQ(cache_.num_free(), 2) << "a sequence keeps what it holds";
  release(hit);
  EXPECT_EQ(cache_.num_free(), 5);
}

TEST_F(PagedCacheTest, StatsCountByOwner) {
  const std::vector<i32> ids = counting(300);
  run(kAlice, ids);
  look(kAlice, ids);
  look(kAlice, ids);
  cache_.count_query("alice", 300, 300);
  cache_.count_query("alice", 10, 0);
  cache_.count_query("bob", 300, 0);
  const CacheStats alice = cache_.stats().at("alice"), bob = cache_.stats().at("bob");
  EXPECT_EQ(alice.pages, 3);
  EXPECT_EQ(alice.tokens, 300);
  EXPECT_EQ(alice.queries, 2);
  EXPECT_EQ(alice.queried_tokens, 310);
  EXPECT_EQ(alice.hits, 1);
  EXPECT_EQ(alice.hit_tokens, 300);
  EXPECT_EQ(bob.queries, 1);
  EXPECT_EQ(bob.hits, 0);
}

// Nobody looks again for what cannot have changed.
TEST_F(PagedCacheTest, TheStateChangesWithAnOwnersPagesAndWithWhatIsGivenBack) {
  const CacheState nothing = cache_.state("alice");
  EXPECT_EQ(nothing, CacheState{});
  const std::vector<PageId> pages = allocate(2);
  const std::vector<i32> ids = counting(200);
  cache_.insert(kBob, counting(128, 5), {pages.data(), 1}, 0);
  EXPECT_EQ(cache_.state("alice"), nothing) << "another's pages are none of hers";
  cache_.insert(kAlice, counting(60), {pages.data() + 1, 1}, 0);
  const CacheState inserted = cache_.state("alice");
  EXPECT_NE(inserted, nothing);
  cache_.insert(kAlice, counting(60), {pages.data() + 1, 1}, 0);
  EXPECT_EQ(cache_.state("alice"), inserted) << "it was there";
  cache_.insert(kAlice, counting(60), {pages.data() + 1, 1}, 60);
  const CacheState exact = cache_.state("alice");
  EXPECT_NE(exact, inserted) << "more of it serves an exact lookup";
  cache_.release(pages[0]);
  EXPECT_NE(cache_.state("alice"), exact) << "there may be room";
}

TEST_F(PagedCacheTest, OurMistakesAreSaid) {
  const std::vector<PageId> pages = allocate(2);
  const std::vector<i32> ids = counting(200);
  EXPECT_THROW(cache_.insert(kAlice, ids, {pages.data(), 1}, 0), InternalError);
  EXPECT_THROW(cache_.insert(kAlice, ids, pages, 201), InternalError);
  cache_.insert(kAlice, ids, pages, 200);
  EXPECT_THROW(cache_.insert(kBob, ids, pages, 200), InternalError) << "one page, two texts";
}

}  // namespace
}  // namespace fathom::engine
