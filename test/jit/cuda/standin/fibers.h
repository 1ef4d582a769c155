/* Fibers: each has a stack of its own, with a page below it that nothing may touch. */
#pragma once
#include <sys/mman.h>
#include <csignal>
#include <cstdint>
#include <cstdlib>

namespace fibers {
extern "C" void standin_switch(void **from, void *to);
#if defined(__x86_64__)
asm(".text\n.globl standin_switch\n.hidden standin_switch\nstandin_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#else
#error "a switch of stacks for this processor is missing"
#endif
constexpr size_t STACK = 256 << 10, PAGE = 4096;
constexpr unsigned MOST = 1024;

inline char *stacks() {
  static char *all = [] {
    void *p = mmap(nullptr, STACK * MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) abort();
    for (unsigned i = 0; i < MOST; i++) mprotect((char *)p + i * STACK, PAGE, PROT_NONE);
    return (char *)p;
  }();
  return all;
}
inline bool onStack(const void *p) { return (uintptr_t)p - (uintptr_t)stacks() < STACK * MOST; }
/** The top of a stack, as a call leaves it. */
inline void **top(unsigned i) { return (void **)(stacks() + (i + 1) * STACK) - 1; }
/** A stack that enters `entry` when it is switched to. */
inline void *prepare(unsigned i, void (*entry)()) {
  void **at = top(i) - 1;
  *at = (void *)entry;
  return at - 6;
}
/** The thread's stack for signals: a fault may be of a fiber's stack that is full. */
inline void signalStack() {
  static thread_local bool done = false;
  if (done) return;
  done = true;
  stack_t own = {};
  own.ss_size = 64 << 10;
  own.ss_sp = malloc(own.ss_size);
  sigaltstack(&own, nullptr);
}
}  // namespace fibers
