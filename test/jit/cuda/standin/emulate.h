/*
 * Runs the text of CUDA C++ kernels on the CPU, for tests without a GPU: g++ includes this ahead of the text, the
 * stand-in driver loads the shared library that comes out, and its machine runs each thread of a block as a fiber.
 */
#pragma once
#include "machine.h"
#include "words.h"
#include "numbers.h"
#include "warp.h"
#ifdef EMULATE_CHECK
#include "check.h"
#endif

extern "C" {
__attribute__((visibility("hidden"))) extern char __ehdr_start[], __bss_start[], _end[];
__attribute__((visibility("hidden"), weak)) extern char __start_emulated_shared[];
}
namespace emulate {
/** Not zero at first, so that it lies before the section of shared memory; attach sets it. */
const Machine *machine = (const Machine *)1;
template <typename... A> struct Parameters { static constexpr unsigned sizes[sizeof...(A) + 1] = {sizeof(A)..., 0}; };
template <unsigned... I> struct Indices {};
template <unsigned N, unsigned... I> struct UpTo : UpTo<N - 1, N - 1, I...> {};
template <unsigned... I> struct UpTo<0, I...> { typedef Indices<I...> type; };
template <typename... A, unsigned... I> EMULATE_TOOL void call(void (*kernel)(A...), void **p, Indices<I...>) {
  kernel(*(A *)p[I]...);
}
template <typename... A> EMULATE_TOOL void call(void (*kernel)(A...), void **p) {
  call(kernel, p, typename UpTo<sizeof...(A)>::type());
}
template <typename... A> EMULATE_TOOL void describe(void (*)(A...), Kernel *out) {
  out->sizes = Parameters<A...>::sizes;
  out->count = sizeof...(A);
}
EMULATE_TOOL unsigned most_threads(unsigned threads = 1024, unsigned = 0) { return threads; }
}  // namespace emulate

#define EMULATE_EXPORT extern "C" __attribute__((visibility("default"), no_sanitize("thread")))
EMULATE_EXPORT void emulate_attach(const emulate::Machine *machine, emulate::Module *out) {
  emulate::machine = machine;
#ifdef EMULATE_CHECK
  const bool checked = true;
#else
  const bool checked = false;
#endif
  // After the section come variables that are zero at first: g++ puts shared memory of templates among them.
  char *shared = __start_emulated_shared ? __start_emulated_shared : __bss_start;
  *out = {emulate::VERSION, EMULATE_ARCH, checked, shared, _end, __ehdr_start, _end};
}
/* A kernel's entry; the rest are the arguments of its launch bounds. */
#define EMULATE_KERNEL(name, ...)                                                                              \
  extern "C" __attribute__((no_sanitize("thread"))) void name##__thread(void **p) { emulate::call(name, p); } \
  EMULATE_EXPORT void name##__kernel(emulate::Kernel *out) {                                                   \
    emulate::describe(name, out);                                                                              \
    out->thread = name##__thread;                                                                              \
    out->mostThreads = emulate::most_threads(__VA_ARGS__);                                                     \
  }
