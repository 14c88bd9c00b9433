#pragma once
// A borrowed callable: two pointers, no allocation. For parameters only; it must not outlive the
// call.
#include <type_traits>
#include <utility>

namespace fathom {

template <typename Signature>
class FunctionRef;

template <typename Return, typename... Args>
class FunctionRef<Return(Args...)> {
 public:
  template <typename Callable>
  requires(!std::is_same_v<std::remove_cvref_t<Callable>, FunctionRef>)
      FunctionRef(Callable&& callable)  // NOLINT: implicit; the requires leaves copies out
      : callable_(const_cast<void*>(static_cast<const void*>(&callable))),
        call_([](void* erased, Args... args) -> Return {
          return static_cast<Return>((*static_cast<std::remove_reference_t<Callable>*>(erased))(
              std::forward<Args>(args)...));
        }) {}

  Return operator()(Args... args) const { return call_(callable_, std::forward<Args>(args)...); }

 private:
  void* callable_;
  Return (*call_)(void*, Args...);
};

}  // namespace fathom
