// Variables of a thread that know when they are gone.
#pragma once

namespace needle::detail {

/// This thread's T number `Number`; null once the thread's variables are destroyed, when
/// destructors of static objects may still evaluate.
template <class T, int Number = 0>
T* per_thread() {
  static constinit thread_local bool ended = false;  // without a destructor: it can be read then
  struct Holder {
    T value{};
    ~Holder() { ended = true; }
  };
  if (ended) return nullptr;
  static thread_local Holder holder;
  return &holder.value;
}

}  // namespace needle::detail
