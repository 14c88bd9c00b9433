#pragma once
// Runs a test body on every instruction set of this build that this CPU has.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "backend/backend.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "device/ctx.h"
#include "kernels/cpu/isa/dispatch.h"

namespace fathom::testing {

/// The names that for_each_isa runs, e.g. "avx2 scalar"; printed once a test program.
inline const std::string& isa_names() {
  static const std::string names = [] {
    std::string run, lacking;
    for (const auto& choice : kernels::cpu::isa_choices()) {
      (choice.runs_on(cpu_features()) ? run : lacking) += std::string(" ") + choice.table->name;
    }
    std::printf("[ ISA      ] runs:%s; not on this CPU:%s\n", run.c_str(),
                lacking.empty() ? " none" : lacking.c_str());
    return run.substr(1);
  }();
  return names;
}

/// Sets the number of threads until the end of the scope.
class ScopedThreads {
 public:
  explicit ScopedThreads(int count) : before_(num_threads()) { set_num_threads(count); }
  ~ScopedThreads() { set_num_threads(before_); }
  ScopedThreads(const ScopedThreads&) = delete;
  ScopedThreads& operator=(const ScopedThreads&) = delete;

 private:
  int before_;
};

/// fn(ctx) once an instruction set. A failure names it.
template <typename Fn>
void for_each_isa(Fn&& fn) {
  ::testing::Test::RecordProperty("isa", isa_names());
  for (const auto& choice : kernels::cpu::isa_choices()) {
    if (!choice.runs_on(cpu_features())) continue;
    SCOPED_TRACE(std::string("ISA ") + choice.table->name);
    Ctx ctx = backend::cpu_context(*choice.table);
    fn(ctx);
  }
}

}  // namespace fathom::testing
