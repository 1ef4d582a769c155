/*
 * The machine: blocks run one after the other, the threads of a block in turns. A warp runs as far as it gets before
 * the next one does, so what barriers do not order comes in the worst order; DITLAB_EMULATE_ORDER=down turns it round.
 */
#include <ucontext.h>
#include <algorithm>
#include <cstring>
#include "fibers.h"
#include "report.h"
#include "run.h"

namespace running {
std::vector<Fiber> fibers;
unsigned current;
const Launch *launch;
uint32_t epoch = 1, blockEpoch, launchEpoch;
std::vector<uint32_t> warpEpochs;

static void *scheduler;
static unsigned alive, atBarrier;
static int error;
static bool active;
static void **parameters;

static std::string numbers(const dim3 &d) {
  return std::to_string(d.x) + " " + std::to_string(d.y) + " " + std::to_string(d.z);
}
static dim3 index(unsigned i, const dim3 &size) { return {i % size.x, i / size.x % size.y, i / size.x / size.y}; }
std::string threadName(unsigned thread) { return "thread " + numbers(index(thread, launch->block)); }
std::string place() { return launch->name + ": block " + numbers(machine.block) + ", " + threadName(current); }

void leave() { fibers::standin_switch(&fibers[current].stack, scheduler); }
void fail(int code, const std::string &sentence) {
  if (!error) report::fault(sentence);
  if (!error) error = code;
  leave();
  abort();
}

/* A processor's signal in a kernel becomes the launch's error; one of anything else goes to whom it went before. */
static struct sigaction segmentation, bus, arithmetic;
static thread_local bool here;
static uintptr_t signalAddress;
static int signalNumber;
static void landed() {
  if (signalNumber == SIGFPE) fail(719, place() + " divides an integer by zero");
  const bool full = signalAddress - (uintptr_t)fibers::stacks() < fibers::STACK * fibers::MOST;
  char hex[32];
  snprintf(hex, sizeof hex, "0x%lx", (unsigned long)signalAddress);
  if (full) fail(719, place() + " has more local variables than its stack holds");
  fail(signalAddress ? 700 : 716, place() + " accesses memory it must not, at " + hex);
}
static void onSignal(int number, siginfo_t *info, void *context) {
  auto *before = number == SIGSEGV ? &segmentation : number == SIGBUS ? &bus : &arithmetic;
  if (here && active) {
    signalNumber = number;
    signalAddress = (uintptr_t)info->si_addr;
    auto *machineState = (ucontext_t *)context;
    machineState->uc_mcontext.gregs[REG_RIP] = (greg_t)landed;
    machineState->uc_mcontext.gregs[REG_RSP] = (greg_t)fibers::top(current);
    return;
  }
  if (before->sa_flags & SA_SIGINFO && before->sa_sigaction) return before->sa_sigaction(number, info, context);
  if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) return before->sa_handler(number);
  signal(number, SIG_DFL);
}
static void watchSignals() {
  fibers::signalStack();
  static bool done = false;
  if (done) return;
  done = true;
  struct sigaction own = {};
  own.sa_sigaction = onSignal;
  own.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &own, &segmentation);
  sigaction(SIGBUS, &own, &bus);
  sigaction(SIGFPE, &own, &arithmetic);
}

static void releaseBlock() {
  for (auto &fiber : fibers)
    if (fiber.state == AT_BARRIER) fiber.state = READY;
  atBarrier = 0;
  epoch++;
}
static void syncThreads(int line) {
  Fiber &me = fibers[current];
  for (unsigned i = 0; i < fibers.size(); i++)
    if (fibers[i].state == AT_BARRIER && fibers[i].line != line)
      fail(719, place() + " waits at the barrier of line " + std::to_string(line) + ", " + threadName(i) +
                    " at that of line " + std::to_string(fibers[i].line));
    else if (fibers[i].state == AT_BARRIER)
      break;
  me.line = line;
  me.state = AT_BARRIER;
  if (++atBarrier == alive) return releaseBlock();
  leave();
}

static const char *named(emulate::Together what) {
  static const char *names[] = {"__syncwarp", "a shuffle", "a ballot", "load_matrices", "load_matrices_transposed", "mma_bf16", "mma_f16", "mma_tf32"};
  return names[what];
}
static void together(emulate::Together what, unsigned mask, const unsigned *in, int inWords, unsigned *out, int outWords) {
  Fiber &me = fibers[current];
  const unsigned first = current & ~31u, lanes = std::min<unsigned>(32, fibers.size() - first);
  if (lanes < 32) mask &= (1u << lanes) - 1;
  if (!(mask >> (current & 31) & 1)) fail(719, place() + " is no lane of the mask of " + named(what));
  memcpy(me.in, in, inWords * 4);
  me.what = what;
  me.mask = mask;
  me.state = IN_WARP;
  bool all = true;
  for (unsigned i = 0; i < lanes; i++) {
    const Fiber &other = fibers[first + i];
    if (!(mask >> i & 1)) continue;
    if (other.state != IN_WARP) all = false;
    else if (other.what != what || other.mask != mask)
      fail(719, place() + " comes to " + named(what) + ", " + threadName(first + i) + " of its warp to " + named(other.what) +
                    (other.mask != mask ? " with another mask" : ""));
  }
  if (!all) leave();
  else {
    perform(&fibers[first], mask);
    for (unsigned i = 0; i < lanes; i++)
      if (mask >> i & 1) fibers[first + i].state = READY;
    // The tensor core's instructions order no memory; these do.
    if (what <= emulate::BALLOT) warpEpochs[current / 32]++;
  }
  memcpy(out, me.out, outWords * 4);
}

emulate::Machine machine = {{}, {}, {}, {}, 0, nullptr, syncThreads, together, sharedAddress, copyAsync, commitCopies, waitCopies, access};

static void enter() {
  launch->kernel.thread(parameters);
  fibers[current].state = DONE;
  leave();
  abort();
}
static void turn(unsigned i) {
  current = i;
  machine.thread = index(i, launch->block);
  machine.lane = i & 31;
  fibers::standin_switch(&scheduler, fibers[i].stack);
  if (fibers[i].state == DONE && --alive && atBarrier == alive) releaseBlock();
}
/** Why nothing moves: the first thread that waits, and for whom. */
static void stuck() {
  unsigned waits = 0;
  while (fibers[waits].state == DONE) waits++;
  for (unsigned i = 0; i < fibers.size(); i++)
    if (fibers[i].state == IN_WARP) waits = i;
  const Fiber &fiber = fibers[waits];
  current = waits;
  std::string other;
  for (unsigned i = 0; i < fibers.size() && other.empty(); i++) {
    if (fiber.state == IN_WARP && (i / 32 != waits / 32 || !(fiber.mask >> (i & 31) & 1))) continue;
    if (fibers[i].state == fiber.state) continue;
    other = ", which " + threadName(i) + (fibers[i].state == DONE ? " has ended without" : " does not come to");
  }
  const std::string where = fiber.state == AT_BARRIER ? "the barrier of line " + std::to_string(fiber.line) : named(fiber.what);
  if (!error) report::fault(place() + " waits at " + where + other);
  if (!error) error = 719;
}
static void runBlock(bool down) {
  const unsigned n = fibers.size(), warps = (n + 31) / 32;
  for (unsigned i = 0; i < n; i++) {
    fibers[i].state = READY;
    fibers[i].copies.assign(1, {});
    fibers[i].stack = fibers::prepare(i, enter);
  }
  alive = n;
  atBarrier = 0;
  blockEpoch = ++epoch;
  while (alive && !error) {
    bool moved = false;
    for (unsigned k = 0; k < warps && !error; k++) {
      const unsigned first = (down ? warps - 1 - k : k) * 32, lanes = std::min(32u, n - first);
      for (bool ran = true; ran && !error;) {
        ran = false;
        for (unsigned j = 0; j < lanes && !error; j++) {
          const unsigned i = first + (down ? lanes - 1 - j : j);
          if (fibers[i].state != READY) continue;
          ran = moved = true;
          turn(i);
        }
      }
    }
    if (!moved && !error) stuck();
  }
}
}  // namespace running

/** Dynamic shared memory ends where a page begins that nothing may touch. */
static char *dynamicMemory(unsigned bytes) {
  constexpr size_t SIZE = 256 << 10;
  static char *all = [] {
    char *p = (char *)mmap(nullptr, SIZE + fibers::PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(p + SIZE, fibers::PAGE, PROT_NONE);
    return p;
  }();
  return all + SIZE - ((bytes + 127) & ~127u);
}

int runKernel(const Launch &launch) {
  using namespace running;
  watchSignals();
  running::launch = &launch;
  const char *order = getenv("DITLAB_EMULATE_ORDER");
  const bool down = order && !strcmp(order, "down");
  std::vector<void *> cells;
  for (auto &p : launch.parameters) cells.push_back((void *)p.data());
  parameters = cells.data();
  running::fibers.resize(launch.block.x * launch.block.y * launch.block.z);
  warpEpochs.assign((running::fibers.size() + 31) / 32, 0);
  machine.blockSize = launch.block;
  machine.gridSize = launch.grid;
  machine.dynamicShared = dynamicMemory(launch.shared);
  launchEpoch = epoch + 1;
  error = 0;
  active = here = true;
  const size_t blocks = (size_t)launch.grid.x * launch.grid.y * launch.grid.z;
  for (size_t k = 0; k < blocks && !error; k++) {
    machine.block = index(down ? blocks - 1 - k : k, launch.grid);
    // What nothing was written to holds NaNs.
    memset(machine.dynamicShared, 0xff, launch.shared);
    if (launch.module.shared) memset(launch.module.shared, 0xff, launch.module.sharedEnd - launch.module.shared);
    runBlock(down);
  }
  active = here = false;
  reportMatrices();
  return error;
}
