#include "data/packed_stream.h"

#include "base/check.h"
#include "base/checked_math.h"
#include "base/parallel.h"

namespace fathom::data {

PackedStream::PackedStream(const TokenDataset& dataset, Permutation order)
    : dataset_(&dataset), order_(std::move(order)) {
  const i64 documents = dataset.num_documents();
  FATHOM_CHECK(documents > 0 && order_.size() == documents, documents, " documents, order of ",
               order_.size());
  starts_.resize(static_cast<size_t>(ceil_div(documents, kStride)));
  parallel_for(std::ssize(starts_), 64, [&](i64 begin, i64 end) {
    for (i64 i = begin; i < end; ++i) {
      i64 tokens = 0;
      const i64 last = std::min(documents, (i + 1) * kStride);
      for (i64 place = i * kStride; place < last; ++place) {
        tokens += dataset_->document_tokens(order_.at(place));
      }
      starts_[static_cast<size_t>(i)] = tokens;
    }
  });
  i64 sum = 0;
  for (i64& start : starts_) {
    const i64 tokens = start;
    start = sum;
    sum += tokens;
  }
}

i64 PackedStream::find(i64& token) const {
  FATHOM_CHECK(token >= 0 && token < num_tokens(), "token ", token, " of ", num_tokens());
  const auto after = std::ranges::upper_bound(starts_, token);
  const i64 index = after - starts_.begin() - 1;
  token -= starts_[static_cast<size_t>(index)];
  return index * kStride;
}

}  // namespace fathom::data
