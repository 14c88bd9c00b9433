#include "eval/sandbox/seccomp_filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "base/types.h"

namespace fathom::eval {
namespace {

#if defined(__x86_64__)
constexpr u32 kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr u32 kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr u32 kArchitecture = 0;
#endif

constexpr u32 kX32 = 0x40000000;  // the other calling convention of x86-64
constexpr u32 kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

constexpr int kRefused[] = {
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_userfaultfd,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_unshare,
    SYS_setns,
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_move_mount,
    SYS_open_tree,
    SYS_fsopen,
    SYS_fsmount,
    SYS_fsconfig,
    SYS_reboot,
    SYS_swapon,
    SYS_swapoff,
    SYS_acct,
    SYS_quotactl,
    SYS_pidfd_getfd,
    SYS_kcmp,
};

sock_filter load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<u32>(offset));
}
/// The next instruction if equal, else over `skip`.
sock_filter if_equal(u32 value, u8 skip) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip);
}
sock_filter answer(u32 action) { return BPF_STMT(BPF_RET | BPF_K, action); }
constexpr u32 fails_with(int code) { return SECCOMP_RET_ERRNO | static_cast<u32>(code); }

}  // namespace

std::string seccomp_filter() {
  if (kArchitecture == 0) return {};
  std::vector<sock_filter> code = {
    load(offsetof(seccomp_data, arch)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArchitecture, 1, 0),
    answer(SECCOMP_RET_KILL_PROCESS),
    load(offsetof(seccomp_data, nr)),
#if defined(__x86_64__)
    BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32, 0, 1),
    answer(fails_with(ENOSYS)),
#endif
    // Its flags lie in memory, out of a filter's sight: the C library then takes clone.
    if_equal(SYS_clone3, 1),
    answer(fails_with(ENOSYS)),
  };
  for (const int call : kRefused) {
    code.push_back(if_equal(static_cast<u32>(call), 1));
    code.push_back(answer(fails_with(EPERM)));
  }
  code.push_back(if_equal(SYS_clone, 3));
  code.push_back(load(offsetof(seccomp_data, args)));  // the low half, of little-endian machines
  code.push_back(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kNamespaceFlags, 0, 1));
  code.push_back(answer(fails_with(EPERM)));
  code.push_back(answer(SECCOMP_RET_ALLOW));
  return {reinterpret_cast<const char*>(code.data()), code.size() * sizeof(sock_filter)};
}

}  // namespace fathom::eval
