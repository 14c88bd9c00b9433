#include "data/data_loader.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/checked_math.h"
#include "data/text/streams.h"

namespace fathom::data {
namespace {

/// Copies tokens [begin, begin + count) of the stream into row `row` from column 0 on.
void copy_tokens(const TokenDataset& dataset, const PackedStream& stream, i64 begin, i64 count,
                 i64 row, SequenceBatch& batch) {
  i32* ids = batch.token_ids.data() + row * batch.row_tokens();
  i32* ordinals = batch.document_ordinals.data() + row * batch.row_tokens();
  i32 ordinal = 0;
  stream.walk(begin, count, [&](const PackedStream::Piece& piece) {
    const auto size = static_cast<size_t>(piece.count);
    dataset.copy(piece.document, piece.begin, {ids, size});
    std::fill_n(ordinals, size, ordinal++);
    ids += size;
    ordinals += size;
  });
}

}  // namespace

LoaderConfig loader_config(const DataConfig& config, i64 mtp_depth) {
  return {.seq_len = config.seq_len,
          .mtp_depth = mtp_depth,
          .isolate_documents = config.isolate_documents,
          .has_bos = !config.bos_token.empty(),
          .seed = static_cast<u64>(config.seed)};
}

SampleRange rank_share(SampleRange global, i64 rank, i64 num_ranks) {
  FATHOM_CHECK(rank >= 0 && rank < num_ranks, "rank ", rank, " of ", num_ranks);
  const i64 begin = global.count * rank / num_ranks;
  const i64 end = global.count * (rank + 1) / num_ranks;
  return {global.first + begin, end - begin};
}

SampleRange batch_of_share(SampleRange share, i64 batch, i64 size) {
  const i64 begin = std::min(batch * size, share.count);
  return {share.first + begin, std::min(size, share.count - begin)};
}

i64 batches_of_shares(i64 samples, i64 num_ranks, i64 size) {
  return ceil_div(ceil_div(samples, num_ranks), size);
}

DataLoader::Epoch::Epoch(const TokenDataset& dataset, i64 num_sequences, u64 seed, int source,
                         i64 epoch)
    : number(epoch),
      stream(dataset, Permutation(dataset.num_documents(), seed,
                                  order_stream(source, epoch, Order::kDocuments))),
      sequences(num_sequences, seed, order_stream(source, epoch, Order::kSequences)) {}

DataLoader::DataLoader(std::span<const Source> sources, const LoaderConfig& config)
    : sources_(sources),
      config_(config),
      mixture_(training_shares(sources), config.seed),
      epochs_(sources.size()) {
  FATHOM_CHECK(config.seq_len >= 1 && config.mtp_depth >= 0, "seq_len ", config.seq_len,
               ", mtp_depth ", config.mtp_depth);
}

i64 DataLoader::epoch_sequences(int source) const {
  // The last one goes on with the epoch's first document, so that all are full.
  return ceil_div(sources_[static_cast<size_t>(source)].dataset.num_tokens(), config_.seq_len);
}

double DataLoader::epochs(int source, i64 sample) const {
  return static_cast<double>(mixture_.count(source, sample)) /
         static_cast<double>(epoch_sequences(source));
}

const DataLoader::Epoch& DataLoader::epoch_of(int source, i64 number) {
  auto& kept = epochs_[static_cast<size_t>(source)];
  for (const auto& epoch : kept) {
    if (epoch != nullptr && epoch->number == number) return *epoch;
  }
  auto& slot = kept[static_cast<size_t>(number % 2)];
  slot = std::make_unique<const Epoch>(sources_[static_cast<size_t>(source)].dataset,
                                       epoch_sequences(source), config_.seed, source, number);
  return *slot;
}

void DataLoader::read_one(i64 sample, i64 row, SequenceBatch& batch) {
  const int source = mixture_.source(sample);
  const i64 count = mixture_.count(source, sample);
  const i64 num_sequences = epoch_sequences(source);
  const Epoch& epoch = epoch_of(source, count / num_sequences);
  const i64 sequence = epoch.sequences.at(count % num_sequences);
  copy_tokens(sources_[static_cast<size_t>(source)].dataset, epoch.stream,
              sequence * config_.seq_len, batch.row_tokens(), row, batch);
  batch.sources[static_cast<size_t>(row)] = source;
  batch.samples[static_cast<size_t>(row)] = sample;
}

void DataLoader::read(SampleRange range, SequenceBatch& batch) {
  FATHOM_CHECK(range.first >= 0 && range.count >= 0, "sample ", range.first, ", ", range.count);
  batch.resize(range.count, config_.seq_len, config_.mtp_depth);
  for (i64 row = 0; row < range.count; ++row) read_one(range.first + row, row, batch);
  batch.fill_targets(config_.has_bos, config_.isolate_documents);
}

void DataLoader::next_batch(DataPosition& position, i64 global_sequences, i64 rank, i64 num_ranks,
                            SequenceBatch& batch) {
  read(rank_share({position.next_sample, global_sequences}, rank, num_ranks), batch);
  position.next_sample += global_sequences;
}

io::Hash128 DataLoader::fingerprint() const {
  io::Hasher hasher;
  for (const Source& source : sources_) hasher.add(source.dataset.key());
  for (const double share : training_shares(sources_)) {
    hasher.add(static_cast<i64>(std::bit_cast<u64>(share)));
  }
  hasher.add(config_.seq_len);
  hasher.add(static_cast<i64>(config_.seed));
  return hasher.digest();
}

ValidationSet::ValidationSet(const Source& source, const LoaderConfig& config)
    : source_(&source),
      config_(config),
      stream_(source.dataset, Permutation(source.dataset.num_documents())) {}

i64 ValidationSet::num_sequences() const {
  return std::max<i64>(1, ceil_div(stream_.num_tokens() - 1, config_.seq_len));
}

void ValidationSet::read(SampleRange range, SequenceBatch& batch) const {
  FATHOM_CHECK(range.first >= 0 && range.count >= 0 && range.first + range.count <= num_sequences(),
               "sequences ", range.first, " + ", range.count, " of ", num_sequences());
  batch.resize(range.count, config_.seq_len, config_.mtp_depth);
  std::ranges::fill(batch.token_ids, 0);
  std::ranges::fill(batch.document_ordinals, kPadding);
  for (i64 row = 0; row < range.count; ++row) {
    const i64 begin = (range.first + row) * config_.seq_len;
    const i64 count = std::min(batch.row_tokens(), stream_.num_tokens() - begin);
    copy_tokens(source_->dataset, stream_, begin, count, row, batch);
    batch.sources[static_cast<size_t>(row)] = 0;
    batch.samples[static_cast<size_t>(row)] = range.first + row;
  }
  batch.fill_targets(config_.has_bos, config_.isolate_documents);
}

std::vector<i32> text_bytes_of_ids(const tokenizer::Tokenizer& tokenizer) {
  std::vector<i32> bytes;
  bytes.reserve(static_cast<size_t>(tokenizer.vocab_size()));
  for (i32 id = 0; id < static_cast<i32>(tokenizer.vocab_size()); ++id) {
    bytes.push_back(tokenizer.is_control(id) ? 0
                                             : static_cast<i32>(tokenizer.token_bytes(id).size()));
  }
  return bytes;
}

}  // namespace fathom::data
