#pragma once
// An op as data: a struct of its arguments that carries the op's name, and how it is run.
//
//   struct SiluMulForward {
//     static constexpr const char* kName = "silu_mul_forward";
//     View<const float, 2> gate, up;
//     View<float, 2> y;
//   };
//   run(ctx, SiluMulForward{.gate = gate, .up = up, .y = y});
//
// A question about a device (how many bytes it packs a matrix into) is an op with an Answer.
#include "device/ctx.h"

namespace fathom::device {

template <typename Op>
concept Question = requires {
  typename Op::Answer;
};

template <typename Op>
struct Signature {
  using Function = void (*)(Ctx&, const Op&);
};
template <Question Op>
struct Signature<Op> {
  using Function = typename Op::Answer (*)(const Ctx&, const Op&);
};

/// One entry of a device's table; nullptr: the device has no such op.
template <typename Op>
struct Entry {
  typename Signature<Op>::Function function = nullptr;
};

/// A device's table: an entry for each of Ops, which is the one list of them all.
template <typename... Ops>
class Table : private Entry<Ops>... {
 public:
  template <typename Op>
  void set(void (*function)(Ctx&, const Op&)) {
    Entry<Op>::function = function;
  }
  template <Question Op>
  void set(typename Op::Answer (*function)(const Ctx&, const Op&)) {
    Entry<Op>::function = function;
  }

  template <typename Op>
  const Entry<Op>& entry() const {
    return *this;
  }

  /// fn(name, is there) for every op, in the order of the list.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    (fn(Ops::kName, Entry<Ops>::function != nullptr), ...);
  }
};

}  // namespace fathom::device
