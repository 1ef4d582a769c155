/* The driver API: the device, its context, and what a graphics card of this kind says of itself. */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include "context.h"
#include "memory.h"
#include "report.h"
#include "standin.h"

/* They stay to the end of the process: its threads may still use them when it ends. */
Registry<LoadedModule> &modules = *new Registry<LoadedModule>;
Registry<Function> &functions = *new Registry<Function>;
Registry<Event> &events = *new Registry<Event>;
Registry<Stream> &streams = *new Registry<Stream>;
Registry<Graph> &graphs = *new Registry<Graph>;
Registry<Executable> &executables = *new Registry<Executable>;
long kernelsBeforeLoss;
int lossError;

static bool initialized;
/** A process computes on one device at a time here, which its context is of. */
static int retained, retainedDevice;
/** Each context that is made has an address of its own, so that one that is gone is not taken for a new one. */
static char contexts[1024];
static int contextNumber;
static thread_local void *currentContext;
static std::shared_ptr<Stream> defaultStream;
static std::mutex mutex;

static void *primary() { return retained ? &contexts[contextNumber % 1024] : nullptr; }
int ready() {
  if (!initialized) return NOT_INITIALIZED;
  if (!currentContext || currentContext != primary()) return INVALID_CONTEXT;
  return queue::lost();
}
StreamOf streamOf(void *handle) { return (uintptr_t)handle <= 2 ? defaultStream : streams.get(handle); }

/** "after 10 launches", or "after 10 launches with 999". */
static void readFault() {
  const char *text = getenv("DITLAB_STANDIN_FAIL");
  kernelsBeforeLoss = -1;
  lossError = LAUNCH_FAILED;
  if (text) sscanf(text, "after %ld launches with %d", &kernelsBeforeLoss, &lossError);
}

/** What tests of other machines want a number of it to be. */
static int wanted(const char *name, int otherwise) {
  const char *text = getenv(name);
  return text ? atoi(text) : otherwise;
}
API cuInit(unsigned flags) {
  if (flags) return INVALID_VALUE;
  if (int error = wanted("DITLAB_STANDIN_INIT", OK)) return error;
  initialized = true;
  return OK;
}
API cuDriverGetVersion(int *version) { return version ? *version = wanted("DITLAB_STANDIN_VERSION", 13000), OK : INVALID_VALUE; }

static const struct { int code; const char *name, *text; } ERRORS[] = {
    {OK, "CUDA_SUCCESS", "no error"},
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {NO_BINARY, "CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"},
    {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {ILLEGAL_STATE, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed in the present state"},
    {NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"},
    {MISALIGNED, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"},
    {CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", "operation failed due to a previous error during capture"},
    {CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", "capture was not initiated in this stream"},
    {CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION", "dependency created on uncaptured work in another stream"},
    {CAPTURED_EVENT, "CUDA_ERROR_CAPTURED_EVENT", "operation not permitted on an event last recorded in a capturing stream"},
    {CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", "attempt to terminate a thread-local capture sequence from another thread"},
    {UNKNOWN, "CUDA_ERROR_UNKNOWN", "unknown error"},
};
API cuGetErrorName(int error, const char **out) {
  for (auto &e : ERRORS)
    if (e.code == error) return *out = e.name, OK;
  return *out = nullptr, INVALID_VALUE;
}
API cuGetErrorString(int error, const char **out) {
  for (auto &e : ERRORS)
    if (e.code == error) return *out = e.text, OK;
  return *out = nullptr, INVALID_VALUE;
}

static int devices() { return wanted("DITLAB_STANDIN_DEVICES", 1); }
static bool isThere(int device) { return device >= 0 && device < devices(); }
API cuDeviceGetCount(int *count) {
  if (!initialized) return NOT_INITIALIZED;
  return *count = devices(), OK;
}
API cuDeviceGet(int *device, int ordinal) {
  if (!initialized) return NOT_INITIALIZED;
  return isThere(ordinal) ? (*device = ordinal, OK) : INVALID_DEVICE;
}
API cuDeviceGetName(char *name, int bytes, int device) {
  if (!isThere(device)) return INVALID_DEVICE;
  if (bytes < 1) return INVALID_VALUE;
  const char *other = getenv("DITLAB_STANDIN_NAME");
  snprintf(name, bytes, "%s", other ? other : "CPU in place of a GPU");
  return OK;
}
API cuDeviceGetUuid_v2(char *uuid, int device) {
  if (!isThere(device)) return INVALID_DEVICE;
  memcpy(uuid, "ditlab stand-in!", 16);
  uuid[15] += device;
  return OK;
}
API cuDeviceTotalMem_v2(size_t *bytes, int device) { return !isThere(device) ? INVALID_DEVICE : (*bytes = memory::total(), OK); }
API cuDeviceGetAttribute(int *value, int attribute, int device) {
  static const std::map<int, int> VALUES = {
      {1, 1024}, {2, 1024}, {3, 1024}, {4, 64}, {5, 0x7fffffff}, {6, 65535}, {7, 65535}, {8, 48 << 10}, {9, 65536},
      {10, 32}, {11, 0x7fffffff}, {12, 65536}, {13, 1980000}, {14, 512}, {15, 1}, {16, 4}, {17, 0}, {18, 0}, {19, 1},
      {20, 0}, {31, 1}, {32, 1}, {33, 1}, {34, 0}, {35, 0}, {36, 2619000}, {37, 5120}, {38, 50 << 20}, {39, 2048},
      {40, 3}, {41, 1}, {78, 1}, {79, 1}, {80, 1}, {81, 228 << 10},
      {82, 65536}, {83, 1}, {95, 1}, {97, MOST_SHARED}, {106, 32}, {111, 1024}, {115, 1}};
  if (!isThere(device)) return INVALID_DEVICE;
  const int arch = wanted("DITLAB_STANDIN_ARCH", DEVICE_ARCH);
  if (attribute == 75 || attribute == 76) return *value = attribute == 75 ? arch / 10 : arch % 10, OK;
  const auto at = VALUES.find(attribute);
  if (!value || attribute < 1 || attribute > 150) return INVALID_VALUE;
  return *value = at == VALUES.end() ? 0 : at->second, OK;
}

API cuDevicePrimaryCtxRetain(void **context, int device) {
  if (!initialized) return NOT_INITIALIZED;
  if (!isThere(device)) return INVALID_DEVICE;
  std::lock_guard lock(mutex);
  if (retained && device != retainedDevice) return NOT_SUPPORTED;
  if (!retained++) {
    retainedDevice = device;
    contextNumber++;
    defaultStream = std::make_shared<Stream>();
    readFault();
  }
  *context = primary();
  return OK;
}
/** The last release ends the context and all that belongs to it, an error it is lost by too. */
API cuDevicePrimaryCtxRelease_v2(int device) {
  if (!isThere(device)) return INVALID_DEVICE;
  std::lock_guard lock(mutex);
  if (!retained || device != retainedDevice) return INVALID_CONTEXT;
  if (--retained) return OK;
  queue::clear();
  streams.clear();
  events.clear();
  executables.clear();
  graphs.clear();
  functions.clear();
  modules.clear();
  memory::releaseAll();
  return OK;
}
API cuCtxSetCurrent(void *context) {
  if (!initialized) return NOT_INITIALIZED;
  if (context && context != primary()) return INVALID_CONTEXT;
  currentContext = context;
  return OK;
}
API cuCtxGetCurrent(void **context) {
  if (!initialized) return NOT_INITIALIZED;
  return *context = currentContext, OK;
}
API cuCtxSynchronize() {
  if (int error = ready()) return error;
  return queue::synchronizeAll();
}

STANDIN_EXPORT int standin_context() { return ready(); }
STANDIN_EXPORT bool standin_inside(uint64_t address, size_t bytes) { return memory::inside(address, bytes); }
STANDIN_EXPORT int standin_device() { return retainedDevice; }
static int submit(void *handle, Work *work, report::Counter counter) {
  auto stream = streamOf(handle);
  if (!stream) return INVALID_HANDLE;
  report::count(counter);
  return queue::submit(stream, std::move(*work));
}
STANDIN_EXPORT int standin_submit(void *handle, Work *work) { return submit(handle, work, report::PRODUCTS); }
STANDIN_EXPORT int standin_collective(void *handle, Work *work) { return submit(handle, work, report::COLLECTIVES); }
STANDIN_EXPORT const char *standin_report() {
  static thread_local std::string text;
  auto member = [](const char *name, size_t value) { return std::string("\"") + name + "\":" + std::to_string(value) + ","; };
  text = "{" + member("device", retainedDevice) + member("modules", modules.size()) + member("events", events.size()) + member("streams", streams.size()) +
         member("graphs", graphs.size()) + member("executables", executables.size()) + memory::members() + "," +
         queue::members() + "," + report::members() + "}";
  return text.c_str();
}
STANDIN_EXPORT void standin_clear_report() { report::clear(); }
