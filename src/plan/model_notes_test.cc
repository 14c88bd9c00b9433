#include "plan/model_notes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/test_files.h"

namespace fathom::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(ModelNotes, SayWhatTheKeysDoNotShow) {
  EXPECT_THAT(model_notes(shipped_model("deepseek-v3")),
              AllOf(Contains(HasSubstr("YaRN by 40 from 4096 tokens; softmax scale 0.1352338")),
                    Contains(HasSubstr("FP8 weights")), Contains(HasSubstr("1 MTP module")),
                    Not(Contains(HasSubstr("not compressed")))));
  EXPECT_THAT(model_notes(shipped_model("deepseek-v3.1")), Contains(HasSubstr("powers of two")));
  EXPECT_THAT(model_notes(shipped_model("deepseek-v2-lite")),
              AllOf(Contains(HasSubstr("queries are not compressed")),
                    Contains(HasSubstr("softmax routing (greedy)"))));
  EXPECT_THAT(model_notes(shipped_model("moonlight-16b-a3b")),
              AllOf(Contains(HasSubstr("rms_norm_eps is 1e-05, but the latent norms use 1e-06")),
                    Contains(HasSubstr("one expert group"))));
  EXPECT_THAT(model_notes(shipped_model("kimi-k2")),
              Contains(HasSubstr("a step at pair 19 (beta_fast 1, beta_slow 1)")));
  EXPECT_THAT(model_notes(shipped_model("deepseek-r1-distill-llama-8b")),
              AllOf(Contains(HasSubstr("4 query heads share each of 8 key-value heads")),
                    Contains(HasSubstr("RoPE scaling llama3 by 8"))));
  ModelConfig qwen3 = shipped_model("deepseek-r1-0528-qwen3-8b");
  EXPECT_THAT(model_notes(qwen3), AllOf(Contains("query and key heads are normalised before RoPE"),
                                        Not(Contains(HasSubstr("biases")))));
  qwen3.attention_bias = true;
  EXPECT_THAT(model_notes(qwen3), Contains("q_proj, k_proj, v_proj and o_proj have biases"));
  EXPECT_THAT(model_notes(shipped_model("deepseek-r1-distill-qwen-1.5b")),
              AllOf(Contains("q_proj, k_proj and v_proj have biases"),
                    Not(Contains(HasSubstr("normalised")))));
}

TEST(ModelNotes, EachHoldsOfItsModelsAlone) {
  ModelConfig config = shipped_model("deepseek-v3");
  EXPECT_THAT(model_notes(config), AllOf(Not(Contains(HasSubstr("no shared experts"))),
                                         Not(Contains(HasSubstr("powers of two"))),
                                         Not(Contains(HasSubstr("is not YaRN's factor")))));
  config.n_shared_experts = 0;
  EXPECT_THAT(model_notes(config), Contains("no shared experts"));
  for (const i64 positions : {i64{1024}, i64{40} * 4096 + 1}) {
    config.max_position_embeddings = positions;
    EXPECT_THAT(model_notes(config), Contains(HasSubstr("is not YaRN's factor 40 x 4096")))
        << positions;
  }
}

TEST(ModelNotes, APlainModelHasNone) {
  ModelConfig plain = shipped_model("deepseek-r1-distill-llama-8b");
  plain.num_key_value_heads = plain.num_attention_heads;
  plain.rope_scaling.reset();
  EXPECT_THAT(model_notes(plain), IsEmpty());
}

}  // namespace
}  // namespace fathom::plan
