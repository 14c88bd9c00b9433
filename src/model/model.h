#pragma once
// The public face of the model: load a checkpoint directory, run steps over a batch of sequences.
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "checkpoint/parameter_layout.h"
#include "config/model/model_config.h"
#include "device/ctx.h"
#include "device/moe.h"
#include "model/run_options.h"
#include "tensor/view.h"

namespace fathom::model {

class KvCache;
struct RandomWeights;
struct ReadBytes;
struct Weights;

/// How the new tokens of a sequence are computed. The forms sum in different orders and so differ
/// in the last bits; within one, a token's numbers depend on the tokens before it alone, not on how
/// a prompt is cut into steps, nor on the other sequences.
enum class StepForm {
  kAuto,     // by the number of new tokens: kPrefillTokens (step.h), and cheaper_mla_form()
  kPrefill,  // a prompt's: tokens in the lanes of Linears, MLA expanded
  kDecode,   // of one or a few tokens: K in the lanes, MLA absorbed; all sequences in one op
};

/// For which of its new tokens a sequence wants logits.
enum class LogitRows { kNone, kLast, kAll };

/// One sequence's part of a step.
struct SequenceStep {
  std::span<const i32> token_ids;  // new tokens, appended to the cache; at least one
  KvCache* cache = nullptr;
  LogitRows logits = LogitRows::kLast;
  StepForm form = StepForm::kAuto;
};

/// One sequence's part of a step of an MTP module, with the cache's own rows of that module.
struct MtpStep {
  std::span<const i32> next_tokens;  // [tokens] t_{i+k}
  /// i of the first row. It may lie before rows that are there already: those, and what deeper
  /// modules made of them, are forgotten.
  i64 positions_begin = 0;
  KvCache* cache = nullptr;
  i64 depth = 1;  // k, from 1 to num_mtp(); the same for all sequences of a step
  LogitRows logits = LogitRows::kAll;
  StepForm form = StepForm::kAuto;  // kAuto: Linears as for decode
};

/// How a checkpoint is opened.
struct LoadOptions {
  /// Of a GGUF file: what its matrices are decoded to, F32 or BF16; absent: as
  /// checkpoint::load_gguf() chooses, packed integers among them.
  std::optional<DType> gguf_dtype = {};
  /// Called while such a file is decoded: (elements done, in all).
  std::function<void(i64, i64)> on_progress = {};
};

class Model {
 public:
  /// Maps a checkpoint directory, or a .gguf file (checkpoint::load_gguf), for contexts of the
  /// device of `ctx`; weights of a directory stay as stored (FP8 stays FP8). Throws Error with ALL
  /// problems of the config or of the tensors (missing, wrong shape or dtype) at once.
  static std::unique_ptr<Model> load(Ctx& ctx, const std::string& path,
                                     const LoadOptions& options = {});
  /// Throws Error{kInvalidInput} with all problems of the config, Error{kOutOfMemory}.
  static std::unique_ptr<Model> random(Ctx& ctx, const ModelConfig& config,
                                       const RandomWeights& options);
  /// The weights of a model in training as they are and as they change: `array` [layout.size()] f32
  /// in the layout's order is read in place and must outlive this. Nothing may run while they
  /// change. Without MTP modules.
  static std::unique_ptr<Model> share(const ModelConfig& config,
                                      const checkpoint::ParameterLayout& layout,
                                      std::span<const float> array);
  ~Model();

  const ModelConfig& config() const;
  const std::string& directory() const;
  /// Bytes of the weights as stored.
  i64 weight_bytes() const;
  ReadBytes read_bytes() const;
  /// MTP modules that the config announces and the checkpoint holds.
  i64 num_mtp() const;
  /// Of layer `layer`, MTP modules' behind the main ones; empty: a dense one. They live as long as
  /// the model.
  std::span<const device::FfnWeights> routed_experts(i64 layer) const;

  /// Rows of `logits` that a step writes: of every sequence all its new tokens, the last or none.
  static i64 logits_rows(std::span<const SequenceStep> steps);

  /// Appends the new tokens of every sequence and writes logits.
  ///   logits  [logits_rows(steps), vocab]  f32  overwritten; sequences in order
  ///   hidden  [tokens, hidden]             f32  overwritten if not empty: of every new token after
  ///                                             the final norm, the input of the MTP module
  /// Each row is bitwise the same alone or in any batch and for any thread count, and for any way
  /// of chunking within one StepForm (of kAuto: as long as the MLA form is the same and either all
  /// chunks have kPrefillTokens tokens or none has); kF32LogitTol between the forms. Scratch grows
  /// with the tokens of a step, not with the context: cut long prompts into chunks. Throws
  /// Error{kInvalidInput} for a token id outside the vocabulary or a full cache, before any cache
  /// is changed; whatever is thrown, the caches hold the tokens that they held before.
  void forward(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
               View<float, 2> logits, View<float, 2> hidden = {}) const;

  /// forward() in parts, so that other steps can run between its layers: embed(), then every layer
  /// once in rising order, over any number of calls, then finish(). All sequences must be computed
  /// alike: kPrefill, or kDecode. Until finish() nothing else may change their caches.
  ///   x  [tokens, hidden]  f32  the residual stream: overwritten, updated, read
  void embed(Ctx& ctx, std::span<const SequenceStep> steps, View<float, 2> x) const;
  void run_layers(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
                  i64 begin, i64 end, View<float, 2> x) const;
  void finish(Ctx& ctx, std::span<const SequenceStep> steps, const RunOptions& options,
              View<const float, 2> x, View<float, 2> logits, View<float, 2> hidden = {}) const;

  /// The MTP module of depth k over every sequence: from hidden h^{k-1}_i and token t_{i+k} the
  /// logits of t_{i+k+1}. Source: DeepSeek-V3 §2.2, eqs (21)-(23); weights eat [embedding ;
  /// hidden].
  ///   hidden  [tokens, hidden]  f32  h^{k-1} of all sequences in order: of forward(), of depth k -
  ///   1 logits  [rows, vocab]     f32  overwritten; of the rows that the sequences ask for, in
  ///   order;
  ///                                  empty: none, only the MTP rows are filled
  ///   out     [tokens, hidden]  f32  overwritten if not empty: h^k, the input of depth k + 1; must
  ///                                  not alias hidden
  void mtp_forward(Ctx& ctx, std::span<const MtpStep> steps, const RunOptions& options,
                   View<const float, 2> hidden, View<float, 2> logits,
                   View<float, 2> out = {}) const;

 private:
  Model();
  std::unique_ptr<Weights> weights_;
};

}  // namespace fathom::model
