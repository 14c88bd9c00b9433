#pragma once
// Cached pages on disk: they outlive eviction and the process. The files hold what users wrote; the
// directory is closed to everybody else.
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/types.h"
#include "device/paged_rows.h"
#include "engine/cache/chain_key.h"
#include "engine/cache/disk_stats.h"
#include "engine/cache/disk_worker.h"
#include "engine/cache/page_catalogue.h"
#include "engine/cache/sibling_order.h"
#include "io/files/private_directory.h"

namespace fathom::engine {

struct DiskTierOptions {
  std::filesystem::path directory;
  i64 max_bytes = 0;  // of all page files that are known; the least recently used ones go
  // Names all that a row's bits depend on beside its text: the weights, how a row is encoded, and,
  // since exact rows are equal rows, what computes them (this version, the instruction set).
  std::string content;
  i64 queue_bytes = i64{256} << 20;  // of rows that wait to be written
};

/// Every call is for the engine's thread. A call reads at most one file, and waits for no other
/// work of the disk. Whatever is wrong with the disk costs pages and nothing else.
class DiskTier {
 public:
  /// Makes the directory, or goes on with one; what is in it is looked at later, by a thread.
  /// Throws Error as PrivateDirectory does, and if the secret can be neither read nor written.
  DiskTier(const DiskTierOptions& options, const device::PageShape& shape);

  /// For the cache's keys: of the directory, where it is kept, and of the format of the rows.
  const ChainSecret& secret() const { return secret_; }

  /// Whether the page's rows are there, or will be as soon as they are written. Counts as a use.
  bool has(const PageEntry& page);
  /// Keeps a page that is not there, if the one before it is. `data` [layers, kPageTokens, row].
  /// False if there is no room for it, in the queue or on the disk.
  bool offer(const PageEntry& page, std::string_view owner, const u8* data);

  struct Match {
    ChainKey key;
    i64 tokens = 0;  // 0: there is none
  };
  /// As SiblingOrder::longest, of files that can be read now.
  Match longest(const ChainKey& parent, std::span<const i32> text, RowKind rows);
  /// The rows go to `data`, of a page of the namespace with the root `space`. Null, and `data`
  /// holds anything, if the file is gone or damaged. The entry is good until the next call.
  const PageEntry* load(const ChainKey& key, const ChainKey& space, u8* data);

  /// Offered, and neither written nor given up yet.
  bool is_being_written(const ChainKey& key);
  /// Removes a page's file, if there is one.
  void remove(const ChainKey& key);

  /// Removes an owner's files, whatever their salt: as soon as the thread comes to it.
  void flush(std::string_view owner);

  DiskStats stats();
  /// Until all is written, removed and looked at.
  void wait_idle();

 private:
  void take_reports();
  void take_report(const DiskWorker::Report& report);
  void take_found(const std::string& name, const PageFileInfo& found);
  /// Removes files until there is room, but never `needed`. False if there cannot be.
  bool make_room(i64 bytes, const PageCatalogue::File* needed);
  void count_damaged(const std::string& name);
  void remove(PageCatalogue::File& file);

  io::PrivateDirectory directory_;
  RowFormat format_;
  ChainSecret secret_;
  i64 max_bytes_;
  ChainHasher hasher_;
  PageCatalogue catalogue_;
  std::set<ChainKey> flushed_;  // owners whose files may turn up until all are known
  DiskStats stats_;
  bool has_warned_of_writes_ = false, has_warned_of_damage_ = false;
  DiskWorker worker_;
};

}  // namespace fathom::engine
