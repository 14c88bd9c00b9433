#pragma once
// The public face of the model: load a checkpoint directory, run steps over a batch of sequences.
#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/storage.h"
#include "config/model/model_config.h"
#include "ops/ctx.h"
#include "ops/linear.h"
#include "ops/quantize.h"
#include "tensor/view.h"

namespace fathom::model {

struct Weights;

/// Which form of MLA runs. kAuto: the cheaper one for the tokens at hand, cheaper_mla_form() in
/// mla.h: expanded for a prompt, absorbed for decoding and short appends.
enum class MlaForm { kAuto, kExpanded, kAbsorbed };

/// Where the time of steps goes; what is in none of the parts (norms, residuals, embedding,
/// packing) is the rest.
enum class StepPart { kAttention, kExperts, kDenseFfn, kHead };
inline constexpr int kNumStepParts = 4;
std::string_view to_string(StepPart part);  // "experts"

struct StepProfile {
  std::array<double, kNumStepParts> seconds{};
  i64 experts_read = 0;  // distinct routed experts that had a token, summed over layers and steps
};

/// Bytes of weights that steps read, scales included, by where they lie; the embedding's rows and
/// the MTP module do not count.
struct ReadBytes {
  std::array<i64, kNumStepParts> every_step{};  // all but the routed experts
  i64 routed_expert = 0;                        // one of one layer, on average over the layers
};

struct RunOptions {
  ops::Activations activations = ops::Activations::kBf16;
  MlaForm mla_form = MlaForm::kAuto;
  StepProfile* profile = nullptr;  // added to if there is one; reads the clock twice a part
};

/// Random weights of true shape, made in memory: such a model writes nonsense, but has every size
/// and speed of a trained one. Matrices are uniform with deviation 0.006 (DeepSeek-V3 §4.2), in
/// E4M3 as if quantised from that, norms 1, the router's bias 0. The numbers depend on the seed and
/// the tensor alone.
struct RandomWeights {
  checkpoint::ModelStorage storage;
  u64 seed = 0;
};

/// What is kept of the tokens seen so far: one latent row a token and layer (MLA: kv_lora_rank +
/// rope numbers), or K and V rows (dense MHA/GQA). One sequence. Owns its memory; grows to
/// `capacity`.
class KvCache {
 public:
  /// Throws Error{kInvalidInput} if capacity exceeds the config's max_position_embeddings, and
  /// Error{kOutOfMemory} that says how much is needed and what is free.
  /// `mtp_layers`: also rows for that many MTP modules.
  KvCache(const ModelConfig& config, ops::CacheDType dtype, i64 capacity_tokens,
          i64 mtp_layers = 0);
  ~KvCache();
  KvCache(KvCache&&) noexcept;
  KvCache& operator=(KvCache&&) noexcept;

  i64 capacity_tokens() const;
  /// Tokens held, of the main model.
  i64 length() const;
  /// Forgets the tokens from `length` on, and the MTP row of token length - 1, which has seen the
  /// next.
  void truncate(i64 length);
  /// Of all main layers.
  static i64 bytes_per_token(const ModelConfig& config, ops::CacheDType dtype);

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

/// One sequence's part of a step.
struct SequenceStep {
  std::span<const i32> token_ids;  // new tokens, appended to the cache; at least one
  KvCache* cache = nullptr;
  bool all_logits = false;  // logits of every new token, else of the last one only
};

class Model {
 public:
  /// Maps the checkpoint; weights stay as stored (FP8 stays FP8). Throws Error with ALL problems of
  /// the config or of the tensors (missing, wrong shape or dtype) at once.
  static std::unique_ptr<Model> load(const std::string& directory);
  /// Throws Error{kInvalidInput} with all problems of the config, Error{kOutOfMemory}.
  static std::unique_ptr<Model> random(const ModelConfig& config, const RandomWeights& options);
  ~Model();

  const ModelConfig& config() const;
  const std::string& directory() const;
  /// Bytes of the weights as stored.
  i64 weight_bytes() const;
  ReadBytes read_bytes() const;
  bool has_mtp() const;

  /// Rows of `logits` that a step writes: all new tokens or one a sequence.
  static i64 logits_rows(std::span<const SequenceStep> steps);

  /// Appends the new tokens of every sequence and writes logits.
  ///   logits  [logits_rows(steps), vocab]  f32  overwritten; sequences in order
  ///   hidden  [logits_rows(steps), hidden] f32  overwritten if not empty: after the final norm,
  ///   the
  ///                                             input of the MTP module
  /// Each row is bitwise the same alone or in any batch and for any thread count, and for any way
  /// of chunking as long as the MLA form is the same and either all chunks have kManyRows (step.h)
  /// tokens or none has; kF32LogitTol between the forms. Scratch grows with the tokens of a step,
  /// not with the context: cut long prompts into chunks. Throws Error{kInvalidInput} for a token id
  /// outside the vocabulary or a full cache, before any cache is changed; whatever is thrown, the
  /// caches hold the tokens that they held before.
  void forward(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
               View<float, 2> logits, View<float, 2> hidden = {}) const;

  /// The MTP module of depth 1: from hidden h_i (after the final norm) and token t_{i+1} the logits
  /// of t_{i+2}. Uses the cache's own MTP rows; `positions_begin` is i of the first row. Source:
  /// DeepSeek-V3 §2.2, eqs (21)-(23); weights eat [embedding ; hidden].
  ///   hidden       [tokens, hidden] f32
  ///   next_tokens  [tokens]         i32
  ///   logits       [rows, vocab]    f32  overwritten; of the last rows <= tokens; empty: none,
  ///   only
  ///                                      the MTP rows are filled
  /// positions_begin may lie before rows that are there already: those are forgotten.
  void mtp_forward(Ctx& ctx, View<const float, 2> hidden, std::span<const i32> next_tokens,
                   i64 positions_begin, KvCache& cache, const RunOptions& options,
                   View<float, 2> logits) const;

 private:
  Model();
  std::unique_ptr<Weights> weights_;
};

}  // namespace fathom::model
