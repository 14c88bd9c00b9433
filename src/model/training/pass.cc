#include "model/training/pass.h"

#include <algorithm>

#include "model/training/layers/loss_head.h"
#include "model/training/memory/saved_activations.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"
#include "ops/rows.h"

namespace fathom::model::training {
namespace {

/// Row k of x [1 + mtp, tokens, ...], cut to the tokens of the step.
template <typename T>
View<T, 1> row_of(const TrainStep& step, View<T, 2> x, i64 k) {
  return x[k].slice(0, 0, step.tokens());
}
template <typename T>
View<T, 2> row_of(const TrainStep& step, View<T, 3> x, i64 k) {
  return x[k].slice(0, 0, step.tokens());
}

void plan_head(const PassShape& shape, const StageLayers& stage, i64 tokens, StoragePlan& plan,
               ModelSaved& saved) {
  const ModelConfig& config = shape.config;
  const i64 modules = config.num_nextn_predict_layers, width = config.hidden_size;
  saved.x = plan.matrix("residual stream", shape.precision.stream(), tokens, width);
  saved.rstd = plan.array<float>("norms' 1/rms", tokens);
  saved.hidden = plan.array<float>("inputs of the heads", 1 + modules, tokens, width);
  if (stage.embeddings_arrive) {
    saved.embeddings = plan.array<float>("MTP's embeddings", modules, tokens, width);
  }
  for (i64 k = 0; k < modules; ++k) {
    saved.mtp.push_back(plan_mtp(shape, config.num_hidden_layers + k, tokens, plan));
  }
}

/// The embedding of t_{i+k}: as it arrived, or looked up.
View<const float, 2> mtp_embedding(const TrainStep& step, const TrainingModelWeights& w,
                                   const ModelSaved& saved, i64 k, Workspace::Scope& scope) {
  if (!saved.embeddings.empty()) return row_of(step, saved.embeddings, k - 1);
  const auto rows = scope.alloc<float>(step.tokens(), step.config.hidden_size);
  ops::embedding_forward(step.ctx, w.embed_tokens, row_of(step, saved.ids, k), rows);
  return rows;
}

/// The head's stage down to its last layer: io.dhidden to io.dx and io.dembeddings.
void backward_head(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                   const BackwardIo& io, const ModelGrads& grads) {
  Ctx& ctx = step.ctx;
  for (i64 k = std::ssize(w.mtp); k >= 1; --k) {
    Workspace::Scope scratch(ctx.workspace());
    const size_t module = static_cast<size_t>(k - 1);
    mtp_backward(step, w.mtp[module], mtp_embedding(step, w, saved, k, scratch),
                 row_of(step, saved.hidden, k - 1), io.dhidden[k], saved.mtp[module],
                 io.dhidden[k - 1], grads.mtp[module], io.dembeddings[k - 1]);
  }
  Workspace::Scope scratch(ctx.workspace());
  const auto x = scratch.alloc<float>(step.tokens(), step.config.hidden_size);
  load(step, saved.x, x);
  ops::rmsnorm_backward(ctx, io.dhidden[0], x, w.norm, saved.rstd.slice(0, 0, step.tokens()), io.dx,
                        grads.norm);
}

/// Rows of the embedding are added up in one order, wherever the stages are: first the MTP
/// modules', the last one first.
void backward_embedding(const TrainStep& step, const ModelSaved& saved, const BackwardIo& io,
                        View<float, 2> dembed_tokens) {
  for (i64 k = io.dembeddings.empty() ? 0 : io.dembeddings.dim(0); k >= 1; --k) {
    ops::embedding_backward(step.ctx, io.dembeddings[k - 1], row_of(step, saved.ids, k),
                            dembed_tokens);
  }
  ops::embedding_backward(step.ctx, io.dx, row_of(step, saved.ids, 0), dembed_tokens);
}

/// The first position of the document that each position belongs to.
void find_documents(View<const i32, 1> documents, View<i32, 1> first_key) {
  i32 first = 0;
  for (i64 i = 0; i < first_key.dim(0); ++i) {
    if (i > 0 && documents(i) != documents(i - 1)) first = static_cast<i32>(i);
    first_key(i) = first;
  }
}

/// What speculative decoding would accept: module k at position i drafts the token that the main
/// model names at i + k, once the drafts of the modules before are accepted. V3 §5.4.3.
void count_drafts(const TrainStep& step, View<const i32, 2> largest, i64 k) {
  i64 drafts = 0, accepted = 0;
  for (i64 sequence = 0; sequence < step.sequences; ++sequence) {
    const i64 first = sequence * step.seq_len;
    for (i64 i = first; i + k < first + step.seq_len; ++i) {
      if (largest(k, i) < 0 || largest(0, i + k) < 0) continue;  // a document ends between
      bool accept = true;
      for (i64 j = 1; j <= k; ++j) accept = accept && largest(j, i) == largest(0, i + j);
      ++drafts;
      accepted += accept ? 1 : 0;
    }
  }
  step.stats->mtp_drafts[static_cast<size_t>(k - 1)] += drafts;
  step.stats->mtp_accepted[static_cast<size_t>(k - 1)] += accepted;
}

}  // namespace

ModelSaved plan_stage(const PassShape& shape, const StageLayers& stage, i64 tokens,
                      StoragePlan& plan) {
  const ModelConfig& config = shape.config;
  const i64 modules = config.num_nextn_predict_layers, heads = 1 + modules;
  ModelSaved saved;
  saved.ids = plan.array<i32>("token ids and positions", heads, tokens);
  saved.targets = plan.array<i32>("token ids and positions", heads, tokens);
  saved.positions = plan.array<i64>("token ids and positions", tokens);
  saved.rope.cos = plan.array<float>("rotary angles", tokens, config.rope_dim() / 2);
  saved.rope.sin = plan.array<float>("rotary angles", tokens, config.rope_dim() / 2);
  saved.first_key = plan.array<i32>("token ids and positions", tokens);
  saved.largest = plan.array<i32>("token ids and positions", 1 + modules, tokens);
  for (i64 layer = stage.first; layer < stage.end(); ++layer) {
    saved.layers.push_back(plan_block(shape, layer, tokens, plan));
  }
  if (stage.head) plan_head(shape, stage, tokens, plan, saved);
  return saved;
}

void set_inputs(Ctx& ctx, const ModelConfig& config, const TrainingBatch& batch,
                const ModelSaved& saved) {
  const i64 heads = 1 + config.num_nextn_predict_layers, sequences = batch.tokens.dim(0);
  const i64 seq_len = batch.tokens.dim(1) - heads, capacity = saved.positions.dim(0);
  FATHOM_CHECK(sequences >= 0 && seq_len >= 1 && sequences * seq_len <= capacity, "tokens ",
               batch.tokens, " with ", heads, " heads for ", capacity, " positions");
  FATHOM_CHECK(
      batch.tokens.stride(1) == 1 && (batch.targets.empty() || batch.targets.stride(2) == 1),
      "rows of tokens and targets must be contiguous");
  FATHOM_CHECK(
      batch.targets.empty() || batch.targets.dims() == (std::array{heads, sequences, seq_len}),
      "targets ", batch.targets, " vs tokens ", batch.tokens);
  FATHOM_CHECK(!batch.isolate_documents || batch.documents.dims() == batch.tokens.dims(),
               "documents ", batch.documents, " vs tokens ", batch.tokens);
  const auto copy_row = [&](const i32* from, i32* to) {
    ops::copy_ids(ctx, {from, {1, seq_len}}, {to, {1, seq_len}});
  };
  for (i64 s = 0; s < sequences; ++s) {
    const i64 first = s * seq_len;
    for (i64 k = 0; k < heads; ++k) {
      copy_row(&batch.tokens(s, k), &saved.ids(k, first));
      if (!batch.targets.empty()) copy_row(&batch.targets(k, s, 0), &saved.targets(k, first));
    }
    for (i64 i = 0; i < seq_len; ++i) saved.positions(first + i) = i;
    if (!batch.isolate_documents) continue;
    const auto first_key = saved.first_key.slice(0, first, seq_len);
    find_documents(batch.documents[s], first_key);
    for (i64 i = 0; i < seq_len; ++i) saved.positions(first + i) -= first_key(i);
  }
}

void mtp_embeddings(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                    View<float, 3> rows) {
  for (i64 k = 1; k <= rows.dim(0); ++k) {
    ops::embedding_forward(step.ctx, w.embed_tokens, row_of(step, saved.ids, k), rows[k - 1]);
  }
}

void forward_pass(const TrainStep& step, const TrainingModelWeights& w, const StageLayers& stage,
                  i64 modules, View<float, 2> x, const ModelSaved& saved) {
  Ctx& ctx = step.ctx;
  if (stage.embedding) {
    ops::embedding_forward(ctx, w.embed_tokens, row_of(step, saved.ids, 0), x);
  }
  for (i64 layer = stage.first; layer < stage.end(); ++layer) {
    block_training_forward(step, w.layers[static_cast<size_t>(layer)], x,
                           saved.layers[static_cast<size_t>(layer - stage.first)]);
  }
  if (!stage.head) return;
  save(step, x, saved.x);
  ops::rmsnorm_forward(ctx, x, w.norm, step.config.rms_norm_eps, row_of(step, saved.hidden, 0),
                       saved.rstd.slice(0, 0, step.tokens()));
  for (i64 k = 1; k <= modules; ++k) {
    Workspace::Scope scratch(ctx.workspace());
    mtp_training_forward(step, w.mtp[static_cast<size_t>(k - 1)],
                         mtp_embedding(step, w, saved, k, scratch),
                         row_of(step, saved.hidden, k - 1), row_of(step, saved.hidden, k),
                         saved.mtp[static_cast<size_t>(k - 1)]);
  }
}

void head_losses(const TrainStep& step, const TrainingModelWeights& w, const ModelSaved& saved,
                 View<float, 3> dhidden, View<float, 2> dhead) {
  const i64 modules = std::ssize(w.mtp);
  for (i64 k = 0; k <= modules; ++k) {
    // A target's weight is 1 / targets of the step, MTP's lambda / D of that: eqs (24)-(25).
    const double share = k == 0 ? 1.0 : step.scale.mtp_weight / static_cast<double>(modules);
    const TargetWeights weights = {.each = share / step.scale.targets,
                                   .objective = k == 0 ? step.objective : nullptr};
    const HeadLoss loss = head_loss(step, *w.lm_head, row_of(step, saved.hidden, k),
                                    row_of(step, saved.targets, k), weights,
                                    // Only the acceptance of drafts asks what the arg-max is.
                                    modules > 0 ? row_of(step, saved.largest, k) : View<i32, 1>{},
                                    dhidden.empty() ? View<float, 2>{} : dhidden[k], dhead);
    StepStats& stats = *step.stats;
    if (k == 0) {
      stats.nll += loss.nll;
      stats.targets += loss.targets;
    } else {
      const size_t module = static_cast<size_t>(k - 1);
      stats.mtp_nll[module] += loss.nll;
      stats.mtp_targets[module] += loss.targets;
      count_drafts(step, saved.largest, k);
    }
  }
}

void backward_pass(const TrainStep& step, const TrainingModelWeights& w, const StageLayers& stage,
                   const ModelSaved& saved, const BackwardIo& io, const ModelGrads& grads) {
  if (stage.head) backward_head(step, w, saved, io, grads);
  for (i64 layer = stage.end(); layer-- > stage.first;) {
    const auto at = static_cast<size_t>(layer);
    block_backward(step, w.layers[at], saved.layers[static_cast<size_t>(layer - stage.first)],
                   io.dx, grads.layers[at]);
  }
  if (stage.embedding) backward_embedding(step, saved, io, grads.embed_tokens);
}

void backward_pass_input(const TrainStep& step, const TrainingModelWeights& w,
                         const StageLayers& stage, const ModelSaved& saved, const BackwardIo& io,
                         const ModelGrads& grads, Workspace::Scope& kept,
                         std::vector<BlockWeightWork>& work) {
  work.resize(static_cast<size_t>(stage.count));
  if (stage.head) backward_head(step, w, saved, io, grads);
  for (i64 layer = stage.end(); layer-- > stage.first;) {
    const auto at = static_cast<size_t>(layer), here = static_cast<size_t>(layer - stage.first);
    work[here] =
        block_backward_input(step, w.layers[at], saved.layers[here], io.dx, grads.layers[at], kept);
  }
  if (stage.embedding) backward_embedding(step, saved, io, grads.embed_tokens);
}

void backward_pass_weight(const TrainStep& step, const TrainingModelWeights& w,
                          const StageLayers& stage, const ModelSaved& saved,
                          const std::vector<BlockWeightWork>& work, const ModelGrads& grads) {
  for (i64 layer = stage.end(); layer-- > stage.first;) {
    const auto at = static_cast<size_t>(layer), here = static_cast<size_t>(layer - stage.first);
    block_backward_weight(step, w.layers[at], saved.layers[here], work[here], grads.layers[at]);
  }
}

}  // namespace fathom::model::training
