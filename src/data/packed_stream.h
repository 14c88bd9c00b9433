#pragma once
// Documents end to end in one order: the text of an epoch, before it is cut into sequences.
#include <algorithm>
#include <vector>

#include "base/types.h"
#include "data/cache/token_dataset.h"
#include "data/permutation.h"

namespace fathom::data {

/// Any token of the stream is found without a table of all documents: every kStride-th document's
/// place is kept (an eighth of a byte a document), the few between are walked. Building asks for
/// every document's length once, in parallel. Thread-safe once built; the dataset must outlive it.
class PackedStream {
 public:
  /// `order` permutes the documents. The dataset must have at least one.
  PackedStream(const TokenDataset& dataset, Permutation order);

  i64 num_tokens() const { return dataset_->num_tokens(); }

  /// Part of one document inside a range of the stream.
  struct Piece {
    i64 document = 0;  // of the dataset
    i64 begin = 0;     // in the document
    i64 count = 0;
  };

  /// Calls on_piece(Piece) for tokens [begin, begin + count) in order; behind the last token comes
  /// the first again. 0 <= begin < num_tokens().
  template <typename OnPiece>
  void walk(i64 begin, i64 count, OnPiece&& on_piece) const {
    i64 place = find(begin);  // of the document in the order
    while (count > 0) {
      const i64 document = order_.at(place);
      const i64 size = dataset_->document_tokens(document);
      if (begin < size) {
        const i64 taken = std::min(count, size - begin);
        on_piece(Piece{document, begin, taken});
        count -= taken;
        begin += taken;
      }
      begin -= size;
      place = place + 1 == order_.size() ? 0 : place + 1;
    }
  }

  static constexpr i64 kStride = 64;

 private:
  /// The kept place at or before stream token `token`, which becomes relative to it.
  i64 find(i64& token) const;

  const TokenDataset* dataset_;
  Permutation order_;
  std::vector<i64> starts_;  // stream token at which document kStride * i of the order begins
};

}  // namespace fathom::data
