#pragma once
// From verified logits to a sequence's next tokens.
#include "device/ctx.h"
#include "engine/run/decode_pass.h"
#include "engine/run/sequence.h"

namespace fathom::engine {

// These touch the sequence and its stream alone, so those of a batch can go side by side, each with
// a context of its own.

/// The next token, of raw `logits` [vocab], which become scratch. False if the sequence ended with
/// it, or without it at a stop token: it has its finish_reason then (kError: no logit was a
/// number).
bool emit_token(Ctx& ctx, Sequence& sequence, View<float, 1> logits);

/// The target's tokens along a verified run of drafts, one at a time, until one differs from its
/// draft or ends the sequence: just the tokens that decoding without drafts gives. `first_row`: of
/// the sequence's step_ids in the pass. The cache keeps the rows of the tokens that came.
/// `forced`: EngineOptions::forced_acceptance.
void emit_run(Ctx& ctx, Sequence& sequence, DecodePass& pass, i64 first_row,
              std::span<const double> forced = {});

/// Begins the next step's step_ids: the last token, and what the mask is known to force after it.
void begin_step_ids(Sequence& sequence);

/// Drafts that the sequence's mask or its thought's budget refuse would be verified for nothing.
void cut_refused_drafts(Sequence& sequence);

}  // namespace fathom::engine
