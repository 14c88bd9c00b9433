// Misuse of a model and its cache: refused before anything changes.
#include "model/model.h"

#include <gmock/gmock.h>

#include "backend/backend.h"
#include "model/attention/kv_cache.h"
#include "model/attention/mla.h"
#include "model/test_support.h"

namespace fathom::model {
namespace {

using ops::CacheDType;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class ModelTest : public ::testing::Test {
 protected:
  void forward(std::vector<SequenceStep> steps) {
    Tensor<float> logits = new_logits(golden_.model(), Model::logits_rows(steps));
    golden_.model().forward(ctx_, steps, kExact, logits.v<2>());
  }
  Ctx ctx_ = backend::make_context();
  Golden golden_{"v3"};
  KvCache cache_{golden_.model().config(), CacheDType::kF32, 8};
  KvCache other_{golden_.model().config(), CacheDType::kF32, 8};
};

TEST_F(ModelTest, TokenOutsideTheVocabulary) {
  const std::vector<i32> good = {1, 2}, bad = {3, 64}, negative = {-1};
  forward({{.token_ids = good, .cache = &cache_}});
  for (const auto& ids : {bad, negative}) {
    EXPECT_THAT(
        ([&] {
          forward({{.token_ids = good, .cache = &other_}, {.token_ids = ids, .cache = &cache_}});
        }),
        ThrowsMessage<Error>(HasSubstr("outside the vocabulary of 64")));
  }
  EXPECT_EQ(cache_.length(), 2);
  EXPECT_EQ(other_.length(), 0);
}

TEST_F(ModelTest, FullCache) {
  const std::vector<i32> ids = {1, 2, 3, 4, 5};
  forward({{.token_ids = ids, .cache = &cache_}});
  EXPECT_THAT(
      ([&] { forward({{.token_ids = ids, .cache = &cache_}}); }),
      ThrowsMessage<Error>(HasSubstr("5 tokens and 5 new ones do not fit into a context of 8")));
  const std::span<const i32> one_too_many = std::span(ids).first(4);
  EXPECT_THAT(([&] { forward({{.token_ids = one_too_many, .cache = &cache_}}); }),
              ThrowsMessage<Error>(HasSubstr("5 tokens and 4 new ones")));
  EXPECT_EQ(cache_.length(), 5);
  forward({{.token_ids = one_too_many.first(3), .cache = &cache_}});
  EXPECT_EQ(cache_.length(), 8);
}

TEST_F(ModelTest, OurOwnMistakesAreInternalErrors) {
  const std::vector<i32> ids = {1};
  EXPECT_THROW(forward({}), InternalError);
  EXPECT_THROW(forward({{.token_ids = ids, .cache = nullptr}}), InternalError);
  EXPECT_THROW(forward({{.token_ids = {}, .cache = &cache_}}), InternalError);
  EXPECT_THROW(
      forward({{.token_ids = ids, .cache = &cache_}, {.token_ids = ids, .cache = &cache_}}),
      InternalError);
  const Golden llama("llama");
  KvCache foreign(llama.model().config(), CacheDType::kF32, 8);
  EXPECT_THROW(forward({{.token_ids = ids, .cache = &foreign}}), InternalError);
}

TEST_F(ModelTest, MtpIsRefusedWhereThereIsNone) {
  EXPECT_EQ(golden_.model().num_mtp(), 0);
  Tensor<float> hidden({1, golden_.model().config().hidden_size}),
      logits = new_logits(golden_.model(), 1);
  const i32 next = 1;
  EXPECT_THAT(([&] {
                const MtpStep step{.next_tokens = {&next, 1}, .cache = &cache_};
                golden_.model().mtp_forward(ctx_, {&step, 1}, kExact, hidden.v<2>(), logits.v<2>());
              }),
              ThrowsMessage<Error>(HasSubstr("this checkpoint has 0")));
}

TEST(KvCacheTest, CapacityIsWhatTheModelTakes) {
  const Golden golden("v3");
  const ModelConfig& config = golden.model().config();
  EXPECT_THAT(([&] { KvCache cache(config, CacheDType::kBf16, 1281); }),
              ThrowsMessage<Error>(AllOf(HasSubstr("1281"), HasSubstr("1280"))));
  EXPECT_THROW(KvCache(config, CacheDType::kBf16, 0), Error);
  EXPECT_EQ(KvCache(config, CacheDType::kBf16, 1280).capacity_tokens(), 1280);
}

TEST(KvCacheTest, TooMuchSaysHowMuchAndWhatIsFree) {
  ModelConfig config = Golden("v3").model().config();
  config.max_position_embeddings = i64{1} << 40;
  EXPECT_THAT(([&] { KvCache cache(config, CacheDType::kF32, i64{1} << 39); }),
              ThrowsMessage<Error>(AllOf(HasSubstr("the KV cache of 549755813888 tokens needs"),
                                         HasSubstr("free"))));
}

// Reference §1.6 and §7.7: 70,272 bytes a token in BF16, 656 a token and layer in FP8.
TEST(KvCacheTest, BytesPerTokenOfV3) {
  ModelConfig config;
  config.num_hidden_layers = 61;
  config.kv_lora_rank = 512;
  config.qk_rope_head_dim = 64;
  EXPECT_EQ(KvCache::bytes_per_token(config, CacheDType::kBf16), 70272);
  EXPECT_EQ(KvCache::bytes_per_token(config, CacheDType::kFp8), 656 * 61);
}

TEST(KvCacheTest, TruncateForgetsMtpRowsThatHaveSeenWhatIsGone) {
  const Golden golden("mtp");
  KvCache cache(golden.model().config(), CacheDType::kF32, 8, /*mtp_layers=*/2);
  cache.impl().length_tokens = 6;
  cache.impl().mtp_length_tokens = {5, 4};
  cache.truncate(6);
  EXPECT_THAT(cache.impl().mtp_length_tokens, ElementsAre(5, 4));
  cache.truncate(4);  // rows 3 of the first and 2 of the second depend on token 4, which is gone
  EXPECT_THAT(cache.impl().mtp_length_tokens, ElementsAre(3, 2));
  cache.truncate(1);
  EXPECT_THAT(cache.impl().mtp_length_tokens, ElementsAre(0, 0));
  cache.truncate(0);
  EXPECT_THROW(cache.truncate(1), InternalError);
}

TEST(CheaperMlaForm, PrefillIsExpandedAndDecodeIsAbsorbed) {
  ModelConfig v3;
  v3.num_attention_heads = 128;
  v3.qk_nope_head_dim = v3.v_head_dim = 128;
  v3.qk_rope_head_dim = 64;
  v3.kv_lora_rank = 512;
  EXPECT_EQ(cheaper_mla_form(v3, 4096, 4096), MlaForm::kExpanded);
  EXPECT_EQ(cheaper_mla_form(v3, 512, 32768), MlaForm::kExpanded);
  EXPECT_EQ(cheaper_mla_form(v3, 1, 2), MlaForm::kAbsorbed);
  EXPECT_EQ(cheaper_mla_form(v3, 1, 32768), MlaForm::kAbsorbed);
  EXPECT_EQ(cheaper_mla_form(v3, 100, 32768), MlaForm::kAbsorbed);
  // Long contexts: 1088 - 320 = 768 a pair against 131072 a key; equal near 131072 / 768 = 171
  // tokens.
  EXPECT_EQ(cheaper_mla_form(v3, 160, 160000), MlaForm::kAbsorbed);
  EXPECT_EQ(cheaper_mla_form(v3, 180, 160000), MlaForm::kExpanded);
}

}  // namespace
}  // namespace fathom::model
