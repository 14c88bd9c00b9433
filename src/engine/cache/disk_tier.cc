#include "engine/cache/disk_tier.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "io/files/atomic_file.h"
#include "io/input_file.h"

namespace fathom::engine {
namespace {

namespace fs = std::filesystem;

/// Some 200 microseconds' worth.
constexpr i64 kReportsACall = 64;

/// The directory's, made at its first use. A secret of a wrong size is replaced: then the keys of
/// the files that are there are wrong, and they go.
ChainSecret directory_secret(const fs::path& directory) {
  const fs::path path = directory / "secret";
  ChainSecret secret;
  if (const auto file = io::InputFile::open(path)) {
    const i64 size = std::ssize(secret);
    if (file->size_bytes() == size && value_or_throw(file->read_at(0, secret)) == size) {
      return secret;
    }
    log::warn("{}: has {} bytes, expected {}; a new one is made, and the pages go", path.string(),
              file->size_bytes(), size);
  } else if (file.error().code() != ErrorCode::kNotFound) {
    throw Error(file.error());
  }
  secret = random_secret();
  io::AtomicFile file(path, 0600);
  file.append(secret);
  file.commit();
  return secret;
}

/// Pages of another format never have the name of one of ours.
ChainSecret secret_of(const fs::path& directory, const RowFormat& format) {
  return ChainHasher(directory_secret(directory))
      .derive(fmt::format("{} {} {}", to_string(format.content), format.shape.layers,
                          format.shape.row_bytes));
}

io::Hash128 hash_of(std::string_view text) {
  io::Hasher hasher;
  hasher.add(text);
  return hasher.digest();
}

}  // namespace

DiskTier::DiskTier(const DiskTierOptions& options, const device::PageShape& shape)
    : directory_(options.directory),
      format_{hash_of(options.content), shape},
      secret_(secret_of(directory_.path(), format_)),
      max_bytes_(options.max_bytes),
      hasher_(secret_),
      worker_(directory_.path(), format_, secret_, options.queue_bytes) {}

bool DiskTier::has(const PageEntry& page) {
  take_reports();
  if (PageCatalogue::File* const file = catalogue_.find(page.key)) {
    catalogue_.use(*file);
    return file->exact_tokens >= page.exact_tokens;
  }
  return catalogue_.by_text().covering(page.parent, page.token_ids(), page.exact_tokens) != nullptr;
}

bool DiskTier::offer(const PageEntry& page, std::string_view owner, const u8* data) {
  if (has(page)) return true;
  const PageCatalogue::File* const parent = catalogue_.find(page.parent);
  if (parent == nullptr && page.parent != page.space) return false;
  if (!worker_.has_room(page.tokens)) {
    ++stats_.queue_full;
    return false;
  }
  const StoredPage stored = {page, hasher_.owner(owner)};
  PageCatalogue::File* file = catalogue_.find(page.key);
  if (file != nullptr) {
    catalogue_.set_exact_tokens(*file, page.exact_tokens);
  } else {
    const i64 bytes = page_file_bytes(format_, page.tokens);
    if (!make_room(bytes, parent)) return false;
    file = &catalogue_.add(stored, bytes, 0);
  }
  catalogue_.use(*file);
  file->is_written = false;
  file->write_job = worker_.write(stored, data);
  while (const PageEntry* useless = catalogue_.by_text().covered_by(*file)) {
    remove(*catalogue_.find(useless->key));
  }
  return true;
}

DiskTier::Match DiskTier::longest(const ChainKey& parent, std::span<const i32> text, RowKind rows) {
  take_reports();
  const SiblingOrder::Match match = catalogue_.by_text().longest(parent, text, rows);
  if (match.page == nullptr || !catalogue_.find(match.page->key)->is_written) {
    ++stats_.misses;
    return {};
  }
  return {match.page->key, match.tokens};
}

const PageEntry* DiskTier::load(const ChainKey& key, const ChainKey& space, u8* data) {
  PageCatalogue::File* const file = catalogue_.find(key);
  if (file == nullptr) return nullptr;
  const std::string name = page_file_name(key);
  const PageFileState state =
      file->space == space ? read_page_file(directory_.path() / name, format_, *file, data)
                           : PageFileState::kDamaged;  // another namespace's, under this one's key
  if (state == PageFileState::kSound) {
    catalogue_.use(*file);
    ++stats_.pages_read;
    return file;
  }
  if (state != PageFileState::kAbsent) count_damaged(name);
  remove(*file);
  return nullptr;
}

bool DiskTier::is_being_written(const ChainKey& key) {
  take_reports();
  const PageCatalogue::File* const file = catalogue_.find(key);
  return file != nullptr && !file->is_written;
}

void DiskTier::remove(const ChainKey& key) {
  if (PageCatalogue::File* const file = catalogue_.find(key)) remove(*file);
}

void DiskTier::flush(std::string_view owner) {
  take_reports();
  const ChainKey key = hasher_.owner(owner);
  for (std::string& name : catalogue_.take_all_of(key)) worker_.remove(std::move(name));
  if (!stats_.is_scanned) flushed_.insert(key);
}

void DiskTier::wait_idle() {
  worker_.wait_idle();
  while (!stats_.is_scanned) take_reports();
  worker_.wait_idle();  // what was found to be too much
}

DiskStats DiskTier::stats() {
  take_reports();
  stats_.files = catalogue_.num_files();
  stats_.foreign_files = catalogue_.num_foreign();
  stats_.size_bytes = catalogue_.size_bytes();
  return stats_;
}

void DiskTier::take_reports() {
  // A few a call, since each call is part of a step.
  for (const auto& report : worker_.take_reports(kReportsACall)) take_report(report);
  if (stats_.is_scanned || !worker_.is_scanned()) return;
  stats_.is_scanned = true;
  flushed_.clear();
  make_room(0, nullptr);  // the cap may be a smaller one than it was
}

void DiskTier::take_report(const DiskWorker::Report& report) {
  if (report.kind == DiskWorker::Report::Kind::kFound) {
    take_found(report.name, report.found);
    return;
  }
  PageCatalogue::File* const file = catalogue_.find(*parse_page_file_name(report.name));
  // A file that has been removed and written again since waits for the later report.
  const bool is_its_last = file != nullptr && file->write_job == report.job;
  if (is_its_last) file->is_written = true;
  if (report.kind == DiskWorker::Report::Kind::kWritten) {
    ++stats_.pages_written;
    has_warned_of_writes_ = false;
    return;
  }
  ++stats_.not_written;
  if (!has_warned_of_writes_) {
    log::warn("the disk cache goes on without what it cannot write: {}", report.error);
  }
  has_warned_of_writes_ = true;
  if (is_its_last) remove(*file);
}

void DiskTier::take_found(const std::string& name, const PageFileInfo& found) {
  if (found.state == PageFileState::kDamaged) return count_damaged(name);
  if (found.state == PageFileState::kForeign) {
    catalogue_.add_foreign(name, found.size_bytes, found.used_ns);
  } else if (found.state == PageFileState::kSound && !catalogue_.find(found.page.key)) {
    if (flushed_.contains(found.page.owner)) {
      worker_.remove(name);
    } else {
      catalogue_.add(found.page, found.size_bytes, found.used_ns);
    }
  }
}

bool DiskTier::make_room(i64 bytes, const PageCatalogue::File* needed) {
  while (catalogue_.size_bytes() + bytes > max_bytes_) {
    std::string name = catalogue_.take_oldest(needed);
    if (name.empty()) return false;
    worker_.remove(std::move(name));
  }
  return true;
}

void DiskTier::count_damaged(const std::string& name) {
  ++stats_.damaged;
  if (!has_warned_of_damage_) {
    log::warn("{}: a damaged page, removed; others will only be counted",
              (directory_.path() / name).string());
  }
  has_warned_of_damage_ = true;
}

void DiskTier::remove(PageCatalogue::File& file) {
  worker_.remove(page_file_name(file.key));
  catalogue_.erase(file);
}

}  // namespace fathom::engine
