#pragma once
// What is known of one operation between its start and the end of its wait(). Part of comm.cc.
#include <vector>

#include "comm/comm.h"
#include "comm/transport.h"

namespace fathom::comm {

struct Operation {
  const char* op = "";
  Where where;
  i64 sequence = 0;  ///< of send and recv: the tag
  i32 tag = 0;
  bool collective = false;
  i64 record = 0;  ///< its number in the job's log
  Exchange exchange;
  // all_reduce_i64 adds up what it gathered when the messages are there.
  std::span<i64> values = {};
  Reduce reduce = Reduce::kSum;
  std::vector<i64> gathered = {};

  void send(int to, Bytes data) {
    // Only read: a receive has a pointer of its own.
    auto* bytes = const_cast<std::byte*>(data.data());
    exchange.transfers.push_back({Transfer::Kind::kSend, to, tag, bytes, std::ssize(data)});
  }
  void receive(int from, MutableBytes data) {
    exchange.transfers.push_back(
        {Transfer::Kind::kReceive, from, tag, data.data(), std::ssize(data)});
  }
  i64 bytes(Transfer::Kind kind, bool done_only) const;
  /// Peers whose message has not come or that took none, without repeats.
  std::vector<int> missing() const;
  /// values[i] = sum or maximum over the ranks' gathered ones.
  void finish_reduce();
};

}  // namespace fathom::comm
