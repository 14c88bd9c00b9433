#pragma once
// The last operations of a rank, for the report of one that hangs.
#include <array>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/types.h"

namespace fathom::comm {

/// Where the caller is: set by Comm::set_place, written into reports. -1: nowhere in particular.
struct Place {
  i64 step = -1;
  i32 layer = -1;
};

struct OpRecord {
  std::string group;  ///< the names of splits: "world/ep"
  const char* op = "";
  i64 sequence = 0;  ///< of the group's collectives; of send and recv: the tag
  i64 send_bytes = 0;
  i64 network_bytes = 0;  ///< of them, to other nodes
  i64 expected_bytes = 0;
  i64 received_bytes = 0;
  bool ended = false;
  std::vector<int> missing;  ///< ranks of the job whose message has not come, or that took none
  Place place;
  const char* file = "";  ///< of the call
  u32 line = 0;
  Clock::time_point started, finished;
};

/// A ring of records, numbered from 0 on.
class OpLog {
 public:
  static constexpr i64 kRecords = 64;

  i64 add(OpRecord record);
  /// nullptr: already overwritten.
  OpRecord* find(i64 number);
  /// {"rank": .., "size": .., "operations": [oldest .. newest]}; times in seconds before `now`.
  std::string json(int rank, int size, Clock::time_point now) const;

 private:
  std::array<OpRecord, kRecords> records_;
  i64 next_ = 0;
};

}  // namespace fathom::comm
