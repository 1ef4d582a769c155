/*
 * A stand-in for NCCL, by nccl.h of 2.30 and its user guide: non-blocking communicators and sums of float32 between processes
 * of one machine, in a piece of memory that they share under the name of their unique id. It is as strict as the guide: who
 * goes on before the state is `ncclSuccess` is refused, and work that has failed ends by an abort alone.
 * DITLAB_STANDIN_NCCL="hang at 3 of rank 1" or "fail at 3 of rank 1" lets the third sum of a rank do so; 0 is its beginning.
 */
#include "exchange.h"
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include "standin.h"

#define API extern "C" __attribute__((visibility("default"))) int
enum Result { SUCCESS, UNHANDLED_CUDA_ERROR, SYSTEM_ERROR, INTERNAL_ERROR, INVALID_ARGUMENT, INVALID_USAGE, REMOTE_ERROR, IN_PROGRESS, RESULTS };
constexpr int FLOAT32 = 7, SUM = 0, VERSION = 23007;

struct UniqueId {
  char internal[128];
};
/** As it was in 2.14, whose attributes all later versions take. */
struct Config {
  size_t size;
  unsigned magic, version;
  int blocking;
};
struct Comm {
  std::unique_ptr<Exchange> exchange;
  std::atomic<int> state{IN_PROGRESS}, running{0};
  /** What the next question about the state gives to the stream. */
  std::vector<std::pair<void *, Work>> pending;
  long sums = 0;
};
typedef std::shared_ptr<Comm> CommOf;

static std::mutex mutex;
static auto &all = *new std::map<void *, CommOf>;
static std::string lastError;
static CommOf find(void *handle) {
  std::lock_guard lock(mutex);
  auto at = all.find(handle);
  return at == all.end() ? nullptr : at->second;
}
static int refuse(int result, const std::string &why) {
  std::lock_guard lock(mutex);
  lastError = why;
  return result;
}

/** Whether this is the sum that the environment lets fail or hang. */
static bool isFault(const char *what, long sum, int rank) {
  const char *text = getenv("DITLAB_STANDIN_NCCL");
  char kind[8];
  long at;
  int of;
  return text && sscanf(text, "%7s at %ld of rank %d", kind, &at, &of) == 3 && !strcmp(kind, what) && at == sum && of == rank;
}

API ncclGetVersion(int *version) { return version ? *version = VERSION, SUCCESS : INVALID_ARGUMENT; }
extern "C" __attribute__((visibility("default"))) const char *ncclGetErrorString(int result) {
  static const char *texts[] = {"no error", "unhandled cuda error", "unhandled system error", "internal error", "invalid argument",
                                "invalid usage", "remote process exited or there was a network error", "NCCL operation in progress"};
  return result >= 0 && result < RESULTS ? texts[result] : "unknown result code";
}
extern "C" __attribute__((visibility("default"))) const char *ncclGetLastError(void *) {
  static thread_local std::string text;
  std::lock_guard lock(mutex);
  text = lastError;
  return text.c_str();
}

/** All bytes of an id follow from its first four: one that is not passed whole is none. */
static UniqueId idOf(uint32_t seed) {
  UniqueId id;
  std::mt19937 random(seed);
  memcpy(id.internal, &seed, sizeof seed);
  for (size_t i = sizeof seed; i < sizeof id.internal; i++) id.internal[i] = (char)random();
  return id;
}
API ncclGetUniqueId(UniqueId *id) { return id ? *id = idOf(std::random_device{}()), SUCCESS : INVALID_ARGUMENT; }

/** What comes of a meeting: the state, and of a failure its words. */
static void end(const CommOf &comm, Exchange::Outcome outcome, int failure) {
  if (outcome == Exchange::DONE) comm->state = SUCCESS;
  else if (outcome == Exchange::DIFFERENT) comm->state = refuse(INVALID_USAGE, "ranks sum arrays of different lengths");
  else if (outcome == Exchange::SHARED_DEVICE) comm->state = refuse(INVALID_USAGE, "Duplicate GPU detected");
  else if (outcome == Exchange::FAILED) comm->state = refuse(failure, failure == SYSTEM_ERROR ? "no network, as the test wants it" : "");
  if (failure == SYSTEM_ERROR) comm->exchange->fail();
}
static void begin(const CommOf &comm, int device) {
  Exchange &exchange = *comm->exchange;
  if (isFault("hang", 0, exchange.ofRank())) exchange.untilAborted();
  else if (isFault("fail", 0, exchange.ofRank())) end(comm, Exchange::FAILED, SYSTEM_ERROR);
  else end(comm, exchange.attach(device), REMOTE_ERROR);
}
API ncclCommInitRankConfig(void **out, int ranks, UniqueId id, int rank, const Config *config) {
  if (standin_context()) return refuse(UNHANDLED_CUDA_ERROR, "no context is current");
  if (!out || !config || config->size < sizeof(Config) || config->magic != 0xcafebeef || config->version < 21400 || config->version > VERSION)
    return refuse(INVALID_ARGUMENT, "ncclConfig_t argument not initialized via NCCL_CONFIG_INITIALIZER");
  if (config->blocking) return refuse(INVALID_ARGUMENT, "the stand-in has no blocking communicators");
  if (ranks < 1 || ranks > Exchange::MOST || rank < 0 || rank >= ranks) return refuse(INVALID_ARGUMENT, "Invalid rank requested");
  uint32_t seed;
  memcpy(&seed, id.internal, sizeof seed);
  if (memcmp(idOf(seed).internal, id.internal, sizeof id.internal)) return refuse(INVALID_ARGUMENT, "the unique id is none");
  auto comm = std::make_shared<Comm>();
  comm->exchange = std::make_unique<Exchange>(seed, ranks, rank);
  if (!comm->exchange->exists()) return refuse(SYSTEM_ERROR, "no memory to share");
  {
    std::lock_guard lock(mutex);
    all[*out = comm.get()] = comm;
  }
  std::thread(begin, comm, standin_device()).detach();
  return IN_PROGRESS;
}
/** Asked for the state, it gives to the stream what a group has left for the background. */
API ncclCommGetAsyncError(void *handle, int *state) {
  auto comm = find(handle);
  if (!comm || !state) return refuse(INVALID_ARGUMENT, "no communicator");
  *state = comm->state;
  if (comm->pending.empty()) return SUCCESS;
  int status = 0;
  for (auto &[stream, work] : std::exchange(comm->pending, {})) {
    comm->running++;
    if (int error = standin_collective(stream, &work)) comm->running--, status = error;
  }
  comm->state = status ? refuse(UNHANDLED_CUDA_ERROR, "a stream does not take the sum") : SUCCESS;
  return SUCCESS;
}

struct Grouped {
  CommOf comm;
  void *stream;
  Work work;
};
static thread_local int depth;
static thread_local std::vector<Grouped> group;

API ncclGroupStart() { return depth++, SUCCESS; }
API ncclGroupEnd() {
  if (!depth) return refuse(INVALID_USAGE, "ncclGroupEnd: not in a group call.");
  if (--depth || group.empty()) return SUCCESS;
  for (auto &[comm, stream, work] : std::exchange(group, {})) {
    comm->state = IN_PROGRESS;
    comm->pending.emplace_back(stream, std::move(work));
  }
  return IN_PROGRESS;
}
/** A sum as the stream comes to it: one that fails stays where it is until it is aborted. */
static int run(const CommOf &comm, const float *from, float *to, size_t count) {
  Exchange &exchange = *comm->exchange;
  const long number = ++comm->sums;
  if (isFault("hang", number, exchange.ofRank())) exchange.untilAborted();
  else if (isFault("fail", number, exchange.ofRank())) end(comm, Exchange::FAILED, SYSTEM_ERROR);
  else if (auto outcome = exchange.sum(from, to, count)) end(comm, outcome, REMOTE_ERROR);
  if (comm->state != SUCCESS && comm->state != IN_PROGRESS) exchange.untilAborted();
  comm->running--;
  return 0;
}
API ncclAllReduce(const float *from, float *to, size_t count, int type, int operation, void *handle, void *stream) {
  auto comm = find(handle);
  if (!comm) return refuse(INVALID_ARGUMENT, "no communicator");
  if (comm->state != SUCCESS) return refuse(INVALID_ARGUMENT, "Attempt to use communicator before the previous operation returned ncclSuccess");
  if (type != FLOAT32) return refuse(INVALID_ARGUMENT, "the stand-in sums float32 alone");
  if (operation != SUM) return refuse(INVALID_ARGUMENT, "the stand-in has sums alone");
  for (auto at : {(uint64_t)from, (uint64_t)to})
    if (at % sizeof(float) || !standin_inside(at, count * sizeof(float))) return refuse(INVALID_ARGUMENT, "an array that is not on the device");
  ncclGroupStart();
  group.push_back({comm, stream, {[=] { return run(comm, from, to, count); }, {(uint64_t)from, (uint64_t)to}}});
  return ncclGroupEnd();
}

API ncclCommFinalize(void *handle) {
  auto comm = find(handle);
  if (!comm) return refuse(INVALID_ARGUMENT, "no communicator");
  if (comm->state != SUCCESS) return refuse(INVALID_ARGUMENT, "the communicator is not ready");
  comm->state = IN_PROGRESS;
  std::thread([comm] {
    while (comm->running) usleep(100);
    end(comm, comm->exchange->meet(), REMOTE_ERROR);
  }).detach();
  return IN_PROGRESS;
}
static int forget(void *handle) {
  std::lock_guard lock(mutex);
  return all.erase(handle) ? SUCCESS : INVALID_ARGUMENT;
}
API ncclCommDestroy(void *handle) {
  auto comm = find(handle);
  if (comm && comm->state != SUCCESS) return refuse(INVALID_USAGE, "the real one would wait for what is in progress");
  return forget(handle);
}
API ncclCommAbort(void *handle) {
  auto comm = find(handle);
  if (!comm) return refuse(INVALID_ARGUMENT, "no communicator");
  comm->exchange->abort();
  while (comm->running) usleep(100);
  return forget(handle);
}
