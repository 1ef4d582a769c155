/*
 * The hooks that g++ calls before each access to memory under -fsanitize=thread, of which only the instrumentation is
 * used: the machine looks at each access for bounds, alignment and races.
 */
#pragma once
#include "words.h"

#define EMULATE_HOOK extern "C" __attribute__((visibility("hidden"), no_sanitize("thread"))) void
#define EMULATE_HOOKS(n)                                                                                           \
  EMULATE_HOOK __tsan_read##n(void *p) { emulate::machine->access(p, n, emulate::READ); }                          \
  EMULATE_HOOK __tsan_write##n(void *p) { emulate::machine->access(p, n, emulate::WRITE); }                        \
  EMULATE_HOOK __tsan_unaligned_read##n(void *p) { emulate::machine->access(p, n, emulate::READ); }                \
  EMULATE_HOOK __tsan_unaligned_write##n(void *p) { emulate::machine->access(p, n, emulate::WRITE); }              \
  EMULATE_HOOK __tsan_volatile_read##n(void *p) { emulate::machine->access(p, n, emulate::READ); }                 \
  EMULATE_HOOK __tsan_volatile_write##n(void *p) { emulate::machine->access(p, n, emulate::WRITE); }
EMULATE_HOOKS(1)
EMULATE_HOOKS(2)
EMULATE_HOOKS(4)
EMULATE_HOOKS(8)
EMULATE_HOOKS(16)
#undef EMULATE_HOOKS
EMULATE_HOOK __tsan_init() {}
EMULATE_HOOK __tsan_func_entry(void *) {}
EMULATE_HOOK __tsan_func_exit() {}
/* Larger pieces have no alignment of their own: bytes. */
namespace emulate {
EMULATE_TOOL void each(const void *p, unsigned long bytes, Access kind) {
  for (unsigned long i = 0; i < bytes; i++) machine->access((const char *)p + i, 1, kind);
}
}  // namespace emulate
EMULATE_HOOK __tsan_read_range(void *p, unsigned long n) { emulate::each(p, n, emulate::READ); }
EMULATE_HOOK __tsan_write_range(void *p, unsigned long n) { emulate::each(p, n, emulate::WRITE); }
/* What g++ turns into a call of the C library is not instrumented, so it is done here. */
extern "C" __attribute__((visibility("hidden"), no_sanitize("thread"))) void *memcpy(void *to, const void *from, unsigned long n) {
  emulate::each(from, n, emulate::READ);
  emulate::each(to, n, emulate::WRITE);
  void *result = to;
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
  return result;
}
extern "C" __attribute__((visibility("hidden"), no_sanitize("thread"))) void *memset(void *to, int value, unsigned long n) {
  emulate::each(to, n, emulate::WRITE);
  void *result = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
  return result;
}
