#pragma once
// One all-to-all: a message to and from every rank of a group, in scratch of a scope.
#include "comm/comm.h"
#include "tensor/workspace.h"

namespace fathom::model {

class Messages {
 public:
  /// `send_bytes(rank)` and `receive_bytes(rank)`: what goes there and comes from there; may be 0.
  template <typename SendBytes, typename ReceiveBytes>
  Messages(Workspace::Scope& scope, i64 ranks, SendBytes&& send_bytes, ReceiveBytes&& receive_bytes)
      : sent_(scope.alloc<comm::Bytes>(ranks)), received_(scope.alloc<comm::MutableBytes>(ranks)) {
    for (i64 r = 0; r < ranks; ++r) {
      const auto sent = scope.alloc<std::byte>(send_bytes(r));
      const auto received = scope.alloc<std::byte>(receive_bytes(r));
      sent_(r) = {sent.data(), static_cast<size_t>(sent.dim(0))};
      received_(r) = {received.data(), static_cast<size_t>(received.dim(0))};
    }
  }

  /// To be filled before exchange().
  u8* to(i64 rank) const {
    return reinterpret_cast<u8*>(const_cast<std::byte*>(sent_(rank).data()));
  }
  u8* from(i64 rank) const { return reinterpret_cast<u8*>(received_(rank).data()); }

  void exchange(comm::Comm& group) const {
    const auto ranks = static_cast<size_t>(sent_.dim(0));
    group.all_to_all_v({sent_.data(), ranks}, {received_.data(), ranks});
  }

 private:
  View<comm::Bytes, 1> sent_;
  View<comm::MutableBytes, 1> received_;
};

}  // namespace fathom::model
