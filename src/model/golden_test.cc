// Parity with transformers (tests/golden): code that nobody here wrote, run on the same weights.
#include "model/test_support.h"
#include "model/tolerances.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

using testing::for_each_isa;

/// Largest error of a row as a share of the largest |want| of that row.
double worst_row_error(const Tensor<float>& got, const Tensor<float>& want) {
  double worst = 0.0;
  for (i64 t = 0; t < want.dim(0); ++t) {
    Tensor<float> got_row({want.dim(1)}), want_row({want.dim(1)});
    std::copy_n(got.v<2>().row(t), want.dim(1), got_row.data());
    std::copy_n(want.v<2>().row(t), want.dim(1), want_row.data());
    const double error = relative_error(got_row, want_row);
    worst = error <= worst ? worst : error;
  }
  return worst;
}

void report(const std::string& what, double error) {
  ::testing::Test::RecordProperty(what, fmt::format("{:.2e}", error));
}

class GoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  Golden golden_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Cases, GoldenTest, ::testing::ValuesIn(golden_cases()),
                         [](const auto& c) { return c.param; });

TEST_P(GoldenTest, F32LogitsAtEveryPosition) {
  const auto ids = golden_.ids("input_ids");
  const Tensor<float> want = golden_.floats("logits");
  for_each_isa([&](Ctx& ctx) {
    for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
      RunOptions options = kExact;
      options.mla_form = form;
      const double error = worst_row_error(run(ctx, golden_.model(), ids, options), want);
      const std::string what = fmt::format("{}_{}", ctx.isa_name(),
                                           form == MlaForm::kExpanded ? "expanded" : "absorbed");
      report(what, error);
      EXPECT_LE(error, kF32LogitTol) << what;
    }
  });
}

TEST_P(GoldenTest, SameGreedyTokensOver64Steps) {
  const auto prompt = golden_.ids("greedy_prompt_ids"), want = golden_.ids("greedy_ids");
  ASSERT_EQ(want.size(), 64u);
  for_each_isa([&](Ctx& ctx) {
    EXPECT_EQ(greedy(ctx, golden_.model(), prompt, 64, kExact, ops::CacheDType::kF32), want)
        << ctx.isa_name();
  });
}

TEST_P(GoldenTest, Bf16WithinItsBound) {
  const auto ids = golden_.ids("input_ids");
  const Tensor<float> exact = golden_.floats("logits");
  report("transformers_bf16", relative_error(golden_.floats("logits_bf16"), exact));
  for_each_isa([&](Ctx& ctx) {
    for (const i64 chunk :
         {i64{0}, i64{1}}) {  // one pass (expanded), then token by token (absorbed)
      const Tensor<float> got =
          run(ctx, golden_.model(), ids, RunOptions{}, chunk, ops::CacheDType::kBf16);
      const double error = relative_error(got, exact);
      report(fmt::format("{}_chunk{}", ctx.isa_name(), chunk), error);
      EXPECT_LE(error, kBf16LogitTol) << ctx.isa_name() << " in chunks of " << chunk;
    }
  });
}

// Dropped groups: fathom fills with -inf, as DeepSeek's inference code and transformers from 5.6
// on; transformers up to 5.4 and the code inside DeepSeek's checkpoints fill with 0.0, which lets
// an expert of a dropped group win where kept experts have negative biased scores (reference §1.7).
TEST(GoldenMaskedGroups, AreNeverChosen) {
  const Golden golden("v3_masked_groups");
  const auto ids = golden.ids("input_ids");
  for_each_isa([&](Ctx& ctx) {
    const Tensor<float> got = run(ctx, golden.model(), ids);
    EXPECT_LE(relative_error(got, golden.floats("logits")), kF32LogitTol);
    EXPECT_GT(relative_error(got, golden.floats("logits_masked_zero")), 0.1);
  });
}

// transformers keeps hidden states from position 0 and gives row i the embedding of token i + 1.
TEST(GoldenMtp, LogitsOfTheTokenAfterNext) {
  const Golden golden("mtp");
  const Model& model = golden.model();
  const auto ids = golden.ids("input_ids");
  const Tensor<float> want = golden.floats("mtp_logits");
  const i64 rows = want.dim(0);
  ASSERT_EQ(model.num_mtp(), 1);
  for_each_isa([&](Ctx& ctx) {
    for (const i64 chunk : {rows, i64{1}, i64{5}}) {
      KvCache cache(model.config(), ops::CacheDType::kF32, std::ssize(ids), /*mtp_layers=*/1);
      Tensor<float> logits = new_logits(model, std::ssize(ids));
      Tensor<float> hidden({std::ssize(ids), model.config().hidden_size});
      const SequenceStep step{.token_ids = ids, .cache = &cache, .logits = LogitRows::kAll};
      model.forward(ctx, {&step, 1}, kExact, logits.v<2>(), hidden.v<2>());
      Tensor<float> got = new_logits(model, rows);
      for (i64 begin = 0; begin < rows; begin += chunk) {
        const i64 count = std::min(chunk, rows - begin);
        const std::span next(ids.data() + begin + 1, static_cast<size_t>(count));
        const MtpStep draft{.next_tokens = next, .positions_begin = begin, .cache = &cache};
        model.mtp_forward(ctx, {&draft, 1}, kExact, hidden.v<2>().slice(0, begin, count),
                          got.v<2>().slice(0, begin, count));
      }
      const double error = worst_row_error(got, want);
      report(fmt::format("{}_chunk{}", ctx.isa_name(), chunk), error);
      EXPECT_LE(error, kF32LogitTol) << ctx.isa_name() << " in chunks of " << chunk;
    }
  });
}

// FP8 weights with the input of every FP8 layer quantised online. lm_head is BF16 in the file and
// sees BF16 activations here, F32 in transformers' run: hence a bound of its own.
TEST(GoldenFp8, QuantisedActivations) {
  const Golden golden("fp8");
  const auto ids = golden.ids("input_ids");
  struct Case {
    const char* name;
    ops::Activations activations;
    MlaForm form;
  };
  using enum ops::Activations;
  for_each_isa([&](Ctx& ctx) {
    for (const Case& c : {Case{"logits_act_fp8", kFp8, MlaForm::kExpanded},
                          Case{"logits_act_fp8_ue8m0", kFp8PowerOf2, MlaForm::kExpanded},
                          Case{"logits_act_fp8_absorbed", kFp8, MlaForm::kAbsorbed}}) {
      const RunOptions options{.activations = c.activations, .mla_form = c.form};
      const Tensor<float> got = run(ctx, golden.model(), ids, options);
      const double error = relative_error(got, golden.floats(c.name));
      report(fmt::format("{}_{}", ctx.isa_name(), c.name), error);
      report(fmt::format("{}_{}_vs_exact", ctx.isa_name(), c.name),
             relative_error(got, golden.floats("logits")));
      EXPECT_LE(error, kFp8RecipeLogitTol) << ctx.isa_name() << " " << c.name;
    }
  });
}

}  // namespace
}  // namespace fathom::model
