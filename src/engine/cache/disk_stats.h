#pragma once
#include "base/types.h"

namespace fathom::engine {

/// Of the disk tier, since it was opened where nothing else is said.
struct DiskStats {
  i64 files = 0, foreign_files = 0, size_bytes = 0;  // now
  bool is_scanned = false;  // all files that were there at the start are known
  i64 pages_written = 0;
  i64 pages_read = 0;
  i64 misses = 0;       // searches behind what memory holds that found no page
  i64 queue_full = 0;   // pages not kept: the disk is slower than they come
  i64 not_written = 0;  // the disk is full, or cannot be written to
  i64 damaged = 0;      // files that were not what they should be; they are gone
};

}  // namespace fathom::engine
