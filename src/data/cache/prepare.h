#pragma once
// From the [data] section to tokenised sources: what is kept from an earlier run is used if it is
// still true, everything else is tokenised.
//
//   cache_dir/KEY/            one tokenised source (token_writer.h); KEY is a hash of the
//   tokenizer, the
//                             options that change tokens, and the content of the files in order
//   cache_dir/SLOT.hashes     what the files of a source held last time (content_hashes.h)
//
// Processes that need the same source at the same time wait for the one that tokenises it.
#include <span>
#include <string>
#include <vector>

#include "config/run/data_config.h"
#include "data/cache/token_dataset.h"
#include "data/text/statistics.h"
#include "tokenizer/tokenizer.h"

namespace fathom::data {

struct Source {
  std::string name;
  double weight = 0.0;  // as in the config
  TokenDataset dataset;
};

struct PreparedData {
  std::vector<Source> train;       // by name
  std::vector<Source> validation;  // by name

  /// Rows for format_statistics: training sources with their share, then validation sets.
  std::vector<NamedStatistics> statistics() const;
};

/// Throws Error: a path that gives no file, tokens the tokenizer lacks, a text without tokens, a
/// broken line if strict, a full disk. Says by the log what was rebuilt and why, and when a
/// validation file is also a training file. Validation text is neither rearranged nor split.
PreparedData prepare_data(const DataConfig& config, const tokenizer::Tokenizer& tokenizer,
                          const ProgressCallback& progress = {});

/// share[i] of the training tokens: the weights, or the numbers of tokens where none is given; sums
/// to 1.
std::vector<double> training_shares(std::span<const Source> train);

}  // namespace fathom::data
