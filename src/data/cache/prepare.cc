#include "data/cache/prepare.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "base/log.h"
#include "data/cache/cache_folder.h"
#include "data/cache/content_hashes.h"
#include "data/cache/source_tokenizer.h"
#include "data/text/source_files.h"
#include "io/files/directories.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;

class Preparer {
 public:
  Preparer(const DataConfig& config, const tokenizer::Tokenizer& tokenizer,
           const ProgressCallback& progress)
      : config_(config),
        tokenizer_(tokenizer),
        progress_(progress),
        markers_(value_or_throw(find_marker_ids(config, tokenizer))) {
    io::Hasher hasher;
    hasher.add(tokenizer::write_tokenizer_json(tokenizer.spec()));
    tokenizer_hash_ = hasher.digest();
    io::make_directories(config.cache_dir);
    remove_stale_files(config.cache_dir);
  }

  enum class Role { kTrain, kValidation };
  TokenDataset prepare(const SourceConfig& source, const std::string& name, Role role);

 private:
  struct Inputs {
    std::string name;  // "data.train.code"
    const SourceConfig* source = nullptr;
    EncodeConfig encode;
    SourceFiles found;
    std::vector<std::optional<io::Hash128>> hashes;
    io::Hash128 options;  // everything but the content
    io::Hash128 key;
  };
  Inputs find_inputs(const SourceConfig& source, const std::string& name, Role role);
  io::Hash128 hash_options(const Inputs& inputs) const;
  static io::Hash128 slot_of(const Inputs& inputs);
  static io::Hash128 key_of(const Inputs& inputs);
  static void log_changes(const Inputs& inputs, const HashNote& note);
  static bool is_outdated(const Inputs& inputs, const TokenDataset& kept);
  TokenDataset open_or_tokenize(const Inputs& inputs);
  void refuse_if_strict(const Inputs& inputs, const SourceStatistics& statistics) const;
  void check_for_leaks(const Inputs& inputs, Role role);
  void add_listing_problems(const Inputs& inputs, SourceStatistics& statistics) const;

  const DataConfig& config_;
  const tokenizer::Tokenizer& tokenizer_;
  const ProgressCallback& progress_;
  MarkerIds markers_;
  io::Hash128 tokenizer_hash_;
  std::map<io::Hash128, std::string> train_files_;
};

io::Hash128 Preparer::hash_options(const Inputs& inputs) const {
  io::Hasher hasher;
  hasher.add(kCacheFormat);
  hasher.add(tokenizer_hash_);
  const MarkerIds& markers = inputs.encode.markers;
  for (const i32 id : {markers.bos, markers.eos}) hasher.add(static_cast<i64>(id));
  // Rates as text: the same digits, the same rate. The seed matters only to what is drawn.
  const bool draws = inputs.encode.fim_rate > 0 || inputs.encode.split_rate > 0;
  hasher.add(fmt::format("{} {} {}", inputs.encode.fim_rate, inputs.encode.split_rate,
                         draws ? inputs.encode.seed : 0));
  hasher.add(inputs.source->text_field);
  hasher.add(inputs.source->separator);
  return hasher.digest();
}

Preparer::Inputs Preparer::find_inputs(const SourceConfig& source, const std::string& name,
                                       Role role) {
  Inputs inputs;
  inputs.name = name;
  inputs.source = &source;
  inputs.encode = {.markers = markers_,
                   .text_field = source.text_field,
                   .fim_rate = role == Role::kTrain ? config_.fim_rate : 0.0,
                   .split_rate = role == Role::kTrain ? config_.split_rate : 0.0,
                   .seed = static_cast<u64>(config_.transform_seed)};
  inputs.found = value_or_throw(find_source_files(source, name));
  inputs.options = hash_options(inputs);
  return inputs;
}

io::Hash128 Preparer::slot_of(const Inputs& inputs) {
  io::Hasher hasher;
  hasher.add(inputs.options);
  hasher.add(static_cast<i64>(inputs.source->format));
  for (const std::string& path : inputs.source->paths) hasher.add(fs::absolute(path).native());
  for (const std::string& extension : inputs.source->extensions) hasher.add(extension);
  return hasher.digest();
}

io::Hash128 Preparer::key_of(const Inputs& inputs) {
  io::Hasher hasher;
  hasher.add(inputs.options);
  for (size_t i = 0; i < inputs.found.files.size(); ++i) {
    const SourceFile& file = inputs.found.files[i];
    hasher.add(static_cast<i64>(file.format));
    hasher.add(static_cast<i64>(file.compression));
    hasher.add(static_cast<i64>(inputs.hashes[i].has_value()));
    hasher.add(inputs.hashes[i].value_or(io::Hash128{}));
  }
  return hasher.digest();
}

TokenDataset Preparer::prepare(const SourceConfig& source, const std::string& name, Role role) {
  Inputs inputs = find_inputs(source, name, role);
  const fs::path cache(config_.cache_dir);
  const fs::path note_path = cache / (to_string(slot_of(inputs)) + ".hashes");
  const HashNote note = HashNote::load(note_path);
  inputs.hashes = hash_files(inputs.found.files, note);
  inputs.key = key_of(inputs);
  // The same document of two sources should not draw the same numbers.
  inputs.encode.seed ^= inputs.key.low;
  check_for_leaks(inputs, role);

  const bool is_stale = note.key() && *note.key() != inputs.key;
  if (is_stale) log_changes(inputs, note);
  TokenDataset dataset = open_or_tokenize(inputs);
  add_listing_problems(inputs, dataset.statistics());
  HashNote::save(note_path, inputs.found.files, inputs.hashes, inputs.key);
  if (is_stale) remove_cache_folder(cache / to_string(*note.key()));
  return dataset;
}

void Preparer::log_changes(const Inputs& inputs, const HashNote& note) {
  i64 changed = 0;
  std::string first;
  for (size_t i = 0; i < inputs.found.files.size(); ++i) {
    const SourceFile& file = inputs.found.files[i];
    if (note.find_old(file) != inputs.hashes[i] && changed++ == 0) first = file.path.string();
  }
  const std::string what = changed > 0 ? fmt::format("{} new or changed, {} first", changed, first)
                                       : std::string("some were removed");
  log::info("{}: its files are not those that were tokenised ({})", inputs.name, what);
}

/// Text of which an earlier version may have lost documents.
bool Preparer::is_outdated(const Inputs& inputs, const TokenDataset& kept) {
  if (kept.text_reader() == kTextReader) return false;
  const auto is_json = [](const SourceFile& file) { return file.format == SourceFormat::kJsonl; };
  return kept.statistics().broken > 0 || std::ranges::any_of(inputs.found.files, is_json);
}

TokenDataset Preparer::open_or_tokenize(const Inputs& inputs) {
  using Verify = TokenDataset::Verify;
  const fs::path folder = fs::path(config_.cache_dir) / to_string(inputs.key);
  io::make_directories(folder);
  const auto lock = FolderLock::wait(folder, inputs.name + ": another process is tokenising it");
  std::error_code ignored;
  const bool was_complete = fs::exists(manifest_path(folder), ignored);
  auto kept = TokenDataset::open(folder, inputs.key,
                                 config_.verify_cache ? Verify::kChecksums : Verify::kSizes);
  if (kept && !is_outdated(inputs, *kept)) {
    refuse_if_strict(inputs, kept->statistics());
    return std::move(*kept);
  }
  if (kept) {
    log::info("{}: this version reads damaged text better; tokenising again", inputs.name);
  } else if (was_complete) {
    log::warn("{}: the kept tokens are damaged, tokenising again ({})", inputs.name,
              kept.error().message());
  }
  remove_tokens(folder);
  const DocumentEncoder encoder(tokenizer_, inputs.encode);
  const TokenizeJob job = {.name = inputs.name,
                           .files = &inputs.found.files,
                           .separator = inputs.source->separator,
                           .strict = config_.strict,
                           .progress = progress_};
  tokenize_source(job, encoder, tokenizer_.vocab_size(), inputs.key, folder);
  return value_or_throw(TokenDataset::open(folder, inputs.key, Verify::kSizes));
}

/// Tokens may have been kept by a run that was not strict.
void Preparer::refuse_if_strict(const Inputs& inputs, const SourceStatistics& statistics) const {
  if (!config_.strict || statistics.broken + statistics.repaired == 0) return;
  const std::string first =
      statistics.problems.empty()
          ? "of an earlier run"
          : fmt::format("{}: {}", statistics.problems[0].place, statistics.problems[0].text);
  throw Error(ErrorCode::kInvalidInput, fmt::format("{} ({}; data.strict)", first, inputs.name));
}

void Preparer::check_for_leaks(const Inputs& inputs, Role role) {
  for (size_t i = 0; i < inputs.found.files.size(); ++i) {
    const SourceFile& file = inputs.found.files[i];
    if (!inputs.hashes[i] || file.size_bytes == 0) continue;
    if (role == Role::kTrain) {
      train_files_.emplace(*inputs.hashes[i], file.path.string());
      continue;
    }
    const auto found = train_files_.find(*inputs.hashes[i]);
    if (found == train_files_.end()) continue;
    const std::string text = fmt::format("{}: {} has the content of {}, which is training text",
                                         inputs.name, file.path.string(), found->second);
    if (config_.strict) throw Error(ErrorCode::kInvalidInput, text + " (data.strict)");
    log::warn("{}", text);
  }
}

void Preparer::add_listing_problems(const Inputs& inputs, SourceStatistics& statistics) const {
  const SourceFiles& found = inputs.found;
  statistics.ignored_files = std::ssize(found.ignored);
  statistics.passed_over = std::ssize(found.passed_over);
  constexpr size_t kNamed = 5;  // of each
  for (size_t i = 0; i < std::min(kNamed, found.ignored.size()); ++i) {
    statistics.left_out.push_back({found.ignored[i], "not one of the extensions"});
  }
  for (size_t i = 0; i < std::min(kNamed, found.passed_over.size()); ++i) {
    statistics.left_out.push_back({found.passed_over[i].path, found.passed_over[i].reason});
  }
  for (const std::string& path : inputs.found.unreadable) {
    if (config_.strict) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("{}: cannot be read ({}; data.strict)", path, inputs.name));
    }
    ++statistics.broken;
    statistics.add_problem({path, "cannot be read"});
  }
}

}  // namespace

PreparedData prepare_data(const DataConfig& config, const tokenizer::Tokenizer& tokenizer,
                          const ProgressCallback& progress) {
  Preparer preparer(config, tokenizer, progress);
  PreparedData data;
  for (const auto& [name, source] : config.train) {
    data.train.push_back({name, source.weight,
                          preparer.prepare(source, "data.train." + name, Preparer::Role::kTrain)});
  }
  for (const auto& [name, source] : config.validation) {
    data.validation.push_back(
        {name, 0.0,
         preparer.prepare(source, "data.validation." + name, Preparer::Role::kValidation)});
  }
  return data;
}

std::vector<double> training_shares(std::span<const Source> train) {
  std::vector<double> shares;
  double total = 0.0;
  for (const Source& source : train) total += source.weight;
  const bool by_size = total == 0.0;
  if (by_size) {
    for (const Source& source : train) total += static_cast<double>(source.dataset.num_tokens());
  }
  for (const Source& source : train) {
    const double part = by_size ? static_cast<double>(source.dataset.num_tokens()) : source.weight;
    shares.push_back(part / total);
  }
  return shares;
}

std::vector<NamedStatistics> PreparedData::statistics() const {
  std::vector<NamedStatistics> rows;
  const std::vector<double> shares = training_shares(train);
  for (size_t i = 0; i < train.size(); ++i) {
    rows.push_back({train[i].name, shares[i], train[i].dataset.statistics()});
  }
  for (const Source& source : validation) {
    rows.push_back({source.name, 0.0, source.dataset.statistics()});
  }
  return rows;
}

}  // namespace fathom::data
