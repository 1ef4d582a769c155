/*
 * What a kernel that was compiled for the CPU and the stand-in driver know of each other. The machine (machine.cc) runs
 * the threads; a kernel's text asks it for everything that more than one thread has part in. Needs no other header, so
 * that a kernel is compiled in little time.
 */
#pragma once

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

namespace emulate {
/** What the lanes of a warp do together; the machine does it when the last of them has come. */
enum Together { SYNC_WARP, SHUFFLE, BALLOT, LOAD_MATRICES, LOAD_MATRICES_TRANSPOSED, MMA_BF16, MMA_F16, MMA_TF32 };
enum Access { READ, WRITE, ATOMIC };

struct Machine {
  /** Of the thread that runs. */
  dim3 thread, block, blockSize, gridSize;
  unsigned lane;
  char *dynamicShared;
  void (*syncThreads)(int line);
  void (*together)(Together what, unsigned mask, const unsigned *in, int inWords, unsigned *out, int outWords);
  unsigned (*sharedAddress)(const void *pointer);
  void (*copyAsync)(unsigned to, const void *from, bool wanted);
  void (*commitCopies)();
  void (*waitCopies)(int keep);
  /** Ends the launch with an error where the access is not allowed; a race is noted. */
  void (*access)(const void *pointer, unsigned bytes, Access kind);
};

/** What a module tells the driver when it is loaded. */
struct Module {
  int version, arch;
  bool checked;
  /** Its static shared memory and the whole of its image, where its constants are. */
  char *shared, *sharedEnd;
  const char *image, *imageEnd;
};
constexpr int VERSION = 1;

/** A kernel: one thread of it, and the sizes of its parameters. */
struct Kernel {
  void (*thread)(void **parameters);
  const unsigned *sizes;
  unsigned count, mostThreads;
};
}  // namespace emulate
