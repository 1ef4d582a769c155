/* What the parts of the machine share while a kernel runs. One kernel runs at a time, on one thread of the process. */
#pragma once
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>
#include "machine.h"

/** A launch as it was asked for; its parameters are copies. */
struct Launch {
  std::string name;
  emulate::Kernel kernel;
  emulate::Module module;
  dim3 grid, block;
  unsigned shared;
  std::vector<std::vector<char>> parameters;
};
/** Runs all blocks; returns 0 or the error that a device would be left with. What went wrong is in the report. */
int runKernel(const Launch &launch);

namespace running {
enum State { READY, IN_WARP, AT_BARRIER, DONE };
struct Group {
  uint32_t to;
  const void *from;
  bool wanted;
  uint32_t epoch, warpEpoch;
};
struct Fiber {
  void *stack = nullptr;
  State state = DONE;
  int line = 0;
  /** What the lane brought to a common operation, and what it gets. */
  emulate::Together what;
  unsigned mask = 0;
  uint32_t in[10], out[4];
  /** Copies under way, by the groups of cp.async. */
  std::vector<std::vector<Group>> copies;
};
extern std::vector<Fiber> fibers;
extern unsigned current;
extern const Launch *launch;
extern emulate::Machine machine;

/** Time as the order of accesses sees it: grows with each barrier, block and launch, and never goes back. */
extern uint32_t epoch, blockEpoch, launchEpoch;
extern std::vector<uint32_t> warpEpochs;

/** Ends the launch: never returns to the thread that runs. */
[[noreturn]] void fail(int error, const std::string &sentence);
/** "softmax: block 1 0 0, thread 3 0 0", of the thread that runs, or of another. */
std::string place();
std::string threadName(unsigned thread);
void leave();

/** Does a warp's common operation for the lanes of `mask`; `lanes` is the warp's first fiber. */
void perform(Fiber *lanes, unsigned mask);
/** Tells the report what ldmatrix met in the launch. */
void reportMatrices();

/* Shared memory has addresses of 32 bits as on a device: static memory from 0, dynamic memory from DYNAMIC on. */
constexpr uint32_t DYNAMIC = 1 << 24;
uint32_t sharedAddress(const void *pointer);
/** The place of 16 bytes that a common operation or a copy names; fails where they are not shared memory. */
char *sharedBytes(uint32_t address, const char *what);
void copyAsync(unsigned to, const void *from, bool wanted);
void commitCopies();
void waitCopies(int keep);

/* The checks of checked modules. */
void access(const void *pointer, unsigned bytes, emulate::Access kind);
void arrived(const Group &copy, char *to);
}  // namespace running
