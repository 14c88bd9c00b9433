#pragma once
// What a step trains on or scores.
#include <vector>

#include "base/types.h"
#include "tensor/view.h"

namespace fathom::data {

/// A target with this id is no target: it has no loss and no gradient.
inline constexpr i32 kIgnoredTarget = -1;
/// `documents` where a validation set ended before the sequence did.
inline constexpr i32 kPadding = -1;

/// Owns its memory and keeps it from batch to batch.
struct SequenceBatch {
  i64 num_sequences = 0;
  i64 seq_len = 0;
  i64 mtp_depth = 0;

  /// tokens     [sequences, seq_len + 1 + mtp_depth] i32. The first seq_len are the model's input;
  /// MTP
  ///            depth k embeds columns k .. k + seq_len - 1 (t_{i+k}, DeepSeek-V3 eq. 21).
  View<const i32, 2> tokens() const { return {token_ids.data(), {num_sequences, row_tokens()}}; }
  /// documents  [sequences, seq_len + 1 + mtp_depth] i32  which document of its sequence a token
  /// belongs
  ///            to: 0 at the left, one more behind each document end; kPadding. Equal numbers may
  ///            see each other where documents are isolated.
  View<const i32, 2> documents() const {
    return {document_ordinals.data(), {num_sequences, row_tokens()}};
  }
  /// targets    [1 + mtp_depth, sequences, seq_len] i32  targets(k, s, i) = tokens(s, i + 1 + k),
  /// or
  ///            kIgnoredTarget: for padding; for k > 0 if a document ends between the two (V3
  ///            shifts within documents); for k = 0 there only if nothing of the text is lost,
  ///            because the next document begins with BOS, or if documents are isolated.
  View<const i32, 3> targets() const {
    return {target_ids.data(), {1 + mtp_depth, num_sequences, seq_len}};
  }

  i64 row_tokens() const { return seq_len + 1 + mtp_depth; }
  void resize(i64 sequences, i64 length, i64 depth);
  /// Fills target_ids from the rest. `has_bos`: every document begins with BOS.
  void fill_targets(bool has_bos, bool isolate_documents);

  std::vector<i32> token_ids;
  std::vector<i32> document_ordinals;
  std::vector<i32> target_ids;
  std::vector<i32> sources;  // [sequences] index into PreparedData::train; 0 in a validation set
  std::vector<i64> samples;  // [sequences] absolute sample index, for reports
};

}  // namespace fathom::data
