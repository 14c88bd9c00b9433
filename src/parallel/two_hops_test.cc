// Tokens that cross between nodes once, in training: ranks as one node, and as several.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>

#include "ops/gemm/gemm.h"
#include "parallel/test_step.h"
#include "plan/machine/exchange.h"

namespace fathom::parallel {
namespace {

StepCase expert_case(int ranks, i64 pipeline, i64 experts, WireFormat wire) {
  StepCase c{.model = testing::small_v3(), .ranks = ranks, .sequences = 16};
  c.model.num_hidden_layers = 5;
  c.parallel = {.pipeline_ranks = pipeline,
                .schedule = PipelineSchedule::kDualPipeV,
                .expert_ranks = experts,
                .wire = wire,
                .round_tokens = 5};
  return c;
}

comm::ThreadsOptions in_nodes_of(int ranks, comm::ThreadsOptions options = {}) {
  options.job.ranks_per_node = ranks;
  return options;
}

TEST(TwoHopTrainingTest, GiveOneHopsGradientsToTheBit) {
  for (const auto& [ranks, pipeline, experts, per_node] :
       {std::array{4, 1, 4, 2}, {6, 1, 6, 2}, {8, 2, 4, 2}}) {
    StepCase c = expert_case(ranks, pipeline, experts, WireFormat::kF32);
    const StepOutcome one = run_step(c, in_nodes_of(1));
    std::atomic<int> in_two = 0;
    c.inspect = [&](comm::Comm&, Ranks& ranks_of_step, model::TrainingModel&) {
      in_two += ranks_of_step.part().exchange->two_hops() ? 1 : 0;
    };
    for (const comm::ThreadsOptions& options : comm::testing::quiet_and_chaotic(2)) {
      in_two = 0;
      expect_same_bits(run_step(c, in_nodes_of(per_node, options)), one,
                       fmt::format("{} ranks", ranks));
      EXPECT_EQ(in_two, ranks);
    }
  }
}

TEST(TwoHopTrainingTest, NarrowWiresStayNear) {
  StepCase c = expert_case(4, 1, 4, WireFormat::kF32);
  const StepOutcome exact = run_step(c);
  for (const auto& [wire, bound] : {std::pair(WireFormat::kBf16, 1e-3), {WireFormat::kFp8, 1e-2}}) {
    c.parallel.wire = wire;
    const StepOutcome one = run_step(c, in_nodes_of(1)), two = run_step(c, in_nodes_of(2));
    EXPECT_NEAR(two.stats.nll, exact.stats.nll, bound * exact.stats.nll);
    EXPECT_GT(model::cosine(two.gradients, exact.gradients),
              1.0 - 1.2 * (1.0 - model::cosine(one.gradients, exact.gradients)));
  }
}

// A rank without tokens, all tokens on one expert, one token in the job.
TEST(TwoHopTrainingTest, NobodyIsWaitedFor) {
  StepCase c = expert_case(6, 1, 6, WireFormat::kF32);
  c.model.n_routed_experts = 7;
  c.model.n_group = c.model.topk_group = 1;
  for (const auto& [sequences, seq_len, bias] :
       {std::tuple{5, 12, 0.0f}, {6, 12, 100.0f}, {1, 1, 0.0f}}) {
    c.sequences = sequences;
    c.seq_len = seq_len;
    c.bias_of_expert_0 = bias;
    const StepOutcome one = run_step(c, in_nodes_of(1));
    expect_same_bits(run_step(c, in_nodes_of(3)), one, fmt::format("{} sequences", sequences));
  }
}

/// Choices of a router that takes two groups and experts of them evenly: [tokens, topk].
std::vector<i32> even_choices(const ModelConfig& config, i64 tokens, u64 seed) {
  const i64 of_group = config.n_routed_experts / config.n_group;
  const Philox rng(seed, 3);
  u64 draw = 0;
  const auto below = [&](i64 n) {
    return static_cast<i64>(rng.uniform(draw++) * static_cast<double>(n));
  };
  std::vector<i32> kept;
  for (i64 t = 0; t < tokens; ++t) {
    const i64 first = below(config.n_group);
    const i64 second = (first + 1 + below(config.n_group - 1)) % config.n_group;
    for (const i64 group : {first, second}) {
      const i64 start = below(of_group);
      for (i64 j = 0; j < config.num_experts_per_tok / 2; ++j) {
        kept.push_back(static_cast<i32>(group * of_group + (start + j) % of_group));
      }
    }
  }
  return kept;
}

/// A rank's dispatch of its tokens: bytes that left its node.
i64 bytes_between_nodes(comm::Comm& world, const ModelConfig& config, i64 tokens, i64 width) {
  const OwnThreads threads(1);
  Ctx ctx = backend::make_context();
  Workspace::Scope scope(ctx.workspace());
  const i64 topk = config.num_experts_per_tok;
  model::ExpertExchange exchange(world, config.n_routed_experts, model::ExpertWire::kBf16, tokens,
                                 512);
  const std::vector<i32> kept = even_choices(config, tokens, static_cast<u64>(world.rank()));
  const View<const i32, 2> chosen(kept.data(), {tokens, topk});
  const model::ExchangeCounts counts{
      scope.alloc<i64>(exchange.ranks(), exchange.rounds(), exchange.places(), 2)};
  exchange.announce(ctx, chosen, counts);
  const i64 arrived = counts.rows_to(world.rank());
  const SavedFormat format = model::received_format(exchange.wire());
  const auto memory = scope.alloc<u8>(ops::saved_matrix_bytes(format, arrived, width));
  const model::ArrivedRouting routing{scope.alloc<i32>(arrived, topk),
                                      scope.alloc<float>(arrived, topk),
                                      scope.alloc<i32>(exchange.passed_on_rows(counts), topk)};
  const i64 before = world.traffic().network_bytes;
  exchange.dispatch(ctx, counts, chosen, scope.alloc<float>(tokens, topk),
                    scope.alloc<float>(tokens, width),
                    ops::saved_matrix_at(memory.data(), format, arrived, width), routing);
  return world.traffic().network_bytes - before;
}

/// Rows between nodes a token.
double rows_between_nodes(const ModelConfig& config, int ranks, int per_node) {
  constexpr i64 kWidth = 16, kTokens = 1000;
  std::atomic<i64> bytes = 0;
  comm::run_ranks(ranks, in_nodes_of(per_node), [&](comm::Comm& world) {
    bytes += bytes_between_nodes(world, config, kTokens, kWidth);
  });
  const model::RowForm form{model::received_format(model::ExpertWire::kBf16), kWidth,
                            config.num_experts_per_tok};
  return static_cast<double>(bytes) / static_cast<double>(form.bytes() * kTokens * ranks);
}

// What `fathom plan` takes an exchange to send between nodes is what one sends.
TEST(TwoHopTrainingTest, ATokenCrossesToAsManyNodesAsPlanSays) {
  ModelConfig config = testing::small_v3();
  config.n_routed_experts = 32;
  config.n_group = 4;
  config.topk_group = 2;
  config.num_experts_per_tok = 4;
  for (const auto& [ranks, per_node] : {std::pair{4, 2}, {8, 4}, {8, 2}}) {
    const double planned = plan::exchange_reach(config, ranks, per_node).remote_nodes;
    const double two = rows_between_nodes(config, ranks, per_node);
    const double one = rows_between_nodes(config, ranks, 1);
    const double in_node = static_cast<double>(per_node - 1) / static_cast<double>(ranks - 1);
    fmt::print(
        "{} ranks in nodes of {}: {:.3f} rows a token between nodes, planned {:.3f}; {:.3f} "
        "by one hop\n",
        ranks, per_node, two, planned, one * (1.0 - in_node));
    EXPECT_NEAR(two, planned, 0.03 * planned);
    EXPECT_LT(two, 0.9 * one * (1.0 - in_node));
  }
}

}  // namespace
}  // namespace fathom::parallel
