// What a caller hears from a device that lacks an op, and of work that is empty or too large to
// name.
#include <gmock/gmock.h>

#include <limits>
#include <string>

#include "backend/backend.h"
#include "base/error.h"
#include "ops/attention/latent_attention.h"
#include "ops/attention/prefill_attention.h"
#include "ops/moe/moe_train.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using ::testing::HasSubstr;
using testing::Tensor;

template <typename Call>
std::string refusal_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    return error.message();
  } catch (const InternalError& error) {
    return std::string("InternalError: ") + error.what();
  }
  return "ran";
}

// An op whose shapes depend on the device is refused as any other, not as if they were wrong.
TEST(Refusal, NamesTheOpAlsoWhereTheDeviceIsAskedFirst) {
  const device::OpTable empty;
  Ctx ctx({.device = Device::kCuda, .ops = &empty});
  EXPECT_FALSE(has_prefill_attention(ctx, 128, 64));
  EXPECT_EQ(refusal_of([&] {
              Workspace::Scope scope(ctx.workspace());
              prefill_attention_begin(ctx, scope, {}, {}, 0, 1.0f, 128, 64);
            }),
            "prefill_attention_begin on device cuda: there is no CUDA kernel for it yet");
  EXPECT_FALSE(has_latent_attention(ctx, {.cols = 576}, 512));
  EXPECT_EQ(refusal_of([&] {
              latent_attention_forward(ctx, {}, {}, {}, {.layout = {.cols = 576}}, 1.0f, {});
            }),
            "latent_attention_forward on device cuda: there is no CUDA kernel for it yet");
}

// Rows are numbered in 32 bits.
TEST(Refusal, MorePermutedRowsThanNumbers) {
  Ctx ctx = backend::make_context();
  i32 unread = 0;
  const i64 tokens = i64{1} << 29, topk = 8;
  const PermutedRows rows{.offsets = {&unread, {257}},
                          .tokens = {&unread, {tokens * topk}},
                          .slots = {&unread, {tokens * topk}},
                          .row_of = {&unread, {tokens, topk}}};
  try {
    group_by_expert(ctx, View<const i32, 2>(&unread, {0, topk}), rows);
    FAIL() << "accepted";
  } catch (const InternalError&) {  // shapes differ
  }
  EXPECT_THAT(refusal_of([&] {
                group_by_expert(ctx, View<const i32, 2>(&unread, {tokens, topk}, {0, 0}), rows);
              }),
              HasSubstr("4294967296 permuted rows"));
}

TEST(Empty, NoQueryOrNoKeyIsNoWork) {
  testing::for_each_isa([](Ctx& ctx) {
    if (!has_prefill_attention(ctx, 32, 0)) return;
    const Tensor<float> k({4, 2, 32}), v({4, 2, 16});
    Tensor<float> q({3, 2, 32}), out({3, 2, 16});
    Workspace::Scope scope(ctx.workspace());
    const auto none = q.v<3>().slice(0, 0, 0);
    const auto no_queries = prefill_attention_begin(ctx, scope, none, {}, 0, 1.0f, 16, 4);
    prefill_attention_tile(ctx, no_queries, k.v<3>(), {}, v.v<3>(), 0);
    prefill_attention_end(ctx, no_queries, out.v<3>().slice(0, 0, 0));
    const auto queries = prefill_attention_begin(ctx, scope, q.v<3>(), {}, 4, 1.0f, 16, 4);
    prefill_attention_tile(ctx, queries, k.v<3>().slice(0, 0, 0), {}, v.v<3>().slice(0, 0, 0), 0);
  });
}

}  // namespace
}  // namespace fathom::ops
