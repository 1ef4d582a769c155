/* The driver API: memory and its copies. */
#include <cstring>
#include "context.h"
#include "memory.h"
#include "report.h"

/* Captures that are global or of one thread forbid what may wait for the device. */
constexpr int GLOBAL = 0, THREAD_LOCAL = 1;

API cuMemGetInfo_v2(size_t *free, size_t *total) {
  if (int error = ready()) return error;
  *total = memory::total();
  *free = *total - memory::used();
  return OK;
}
API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  if (int error = ready()) return error;
  if (!address) return INVALID_VALUE;
  if (queue::forbidden(THREAD_LOCAL)) return CAPTURE_UNSUPPORTED;
  return memory::allocate(bytes, false, address);
}
/** Waits for the device, as the real one does; but that there was something to wait for is a mistake. */
static int release(uint64_t address, bool host) {
  if (int error = ready()) return error;
  if (!address) return host ? INVALID_VALUE : OK;
  const Allocation *allocation = memory::find(address);
  if (!allocation || allocation->start != address || allocation->host != host) return INVALID_VALUE;
  if (queue::forbidden(THREAD_LOCAL)) return CAPTURE_UNSUPPORTED;
  if (queue::names(address, allocation->size)) {
    report::fault(std::string(host ? "pinned" : "device") + " memory of " + std::to_string(allocation->size) + " bytes is freed while queued work uses it");
    if (int error = queue::synchronizeAll()) return error;
  }
  return memory::release(address, host);
}
API cuMemFree_v2(uint64_t address) { return release(address, false); }
API cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags) {
  if (int error = ready()) return error;
  if (!pointer || flags > 7) return INVALID_VALUE;
  if (queue::forbidden(THREAD_LOCAL)) return CAPTURE_UNSUPPORTED;
  return memory::allocate(bytes, true, (uint64_t *)pointer);
}
API cuMemFreeHost(void *pointer) { return release((uint64_t)pointer, true); }

static bool pinned(const void *pointer) {
  const Allocation *a = memory::find((uint64_t)pointer);
  return a && a->host;
}
/** Device memory, all of it within one allocation. */
static bool onDevice(uint64_t address, size_t bytes) {
  const Allocation *a = memory::find(address);
  return a && !a->host && memory::inside(address, bytes);
}
static Work copy(void *to, const void *from, size_t bytes) {
  return {[=] {
            const bool known = (!pinned(to) || memory::inside((uint64_t)to, bytes)) && (!pinned(from) || memory::inside((uint64_t)from, bytes));
            if (!known) return (int)ILLEGAL_ADDRESS;
            memmove(to, from, bytes);
            return (int)OK;
          },
          {(uint64_t)to, (uint64_t)from}};
}
/** A node of a graph may be run when its memory is gone. */
static Work checked(Work work, uint64_t address, size_t bytes, const char *what) {
  auto run = std::move(work.run);
  work.run = [=] {
    if (memory::inside(address, bytes)) return run();
    report::fault(std::string(what) + " of memory that is freed");
    return (int)ILLEGAL_ADDRESS;
  };
  return work;
}

API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *streamHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(streamHandle);
  if (!stream) return INVALID_HANDLE;
  if (!bytes) return OK;
  if (!from || !onDevice(to, bytes)) return INVALID_VALUE;
  if (pinned(from)) {
    if (!memory::inside((uint64_t)from, bytes)) return INVALID_VALUE;
    return queue::submit(stream, checked(checked(copy((void *)to, from, bytes), to, bytes, "a copy"), (uint64_t)from, bytes, "a copy"));
  }
  // What is not pinned is read before the call returns; a graph could not do that.
  if (queue::capturing(stream)) return queue::synchronize(stream);
  auto taken = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
  return queue::submit(stream, {[=] { return memcpy((void *)to, taken->data(), bytes), (int)OK; }, {to}});
}
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *streamHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(streamHandle);
  if (!stream) return INVALID_HANDLE;
  if (!bytes) return OK;
  if (!to || !onDevice(from, bytes)) return INVALID_VALUE;
  if (pinned(to)) {
    if (!memory::inside((uint64_t)to, bytes)) return INVALID_VALUE;
    return queue::submit(stream, checked(checked(copy(to, (const void *)from, bytes), from, bytes, "a copy"), (uint64_t)to, bytes, "a copy"));
  }
  // The call returns when what is not pinned is written.
  if (queue::capturing(stream)) return queue::synchronize(stream);
  if (int error = queue::submit(stream, copy(to, (const void *)from, bytes))) return error;
  return queue::synchronize(stream);
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *streamHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(streamHandle);
  if (!stream) return INVALID_HANDLE;
  if (!bytes) return OK;
  if (!onDevice(to, bytes) || !onDevice(from, bytes)) return INVALID_VALUE;
  if (to - from < bytes || from - to < bytes) report::fault("a copy between places on the device that overlap");
  return queue::submit(stream, checked(checked(copy((void *)to, (const void *)from, bytes), to, bytes, "a copy"), from, bytes, "a copy"));
}
API cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, void *streamHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(streamHandle);
  if (!stream) return INVALID_HANDLE;
  if (!bytes) return OK;
  if (!onDevice(to, bytes)) return INVALID_VALUE;
  return queue::submit(stream, checked({[=] { return memset((void *)to, value, bytes), (int)OK; }, {to}}, to, bytes, "a fill"));
}
API cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void *streamHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(streamHandle);
  if (!stream) return INVALID_HANDLE;
  if (!count) return OK;
  if (to % 4 || !onDevice(to, count * 4)) return INVALID_VALUE;
  auto fill = [=] {
    for (size_t i = 0; i < count; i++) ((unsigned *)to)[i] = value;
    return (int)OK;
  };
  return queue::submit(stream, checked({fill, {to}}, to, count * 4, "a fill"));
}
