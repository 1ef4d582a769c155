#include "memory.h"
#include <sys/mman.h>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace memory {
static std::mutex mutex;
static std::map<uint64_t, Allocation> allocations;
static size_t now[2], most[2];
constexpr size_t PAGE = 4096, RESERVED = (size_t)8 << 40;

static size_t paged(size_t bytes) { return (bytes + PAGE - 1) / PAGE * PAGE; }
static size_t touchedBytes(const Allocation &a) { return (a.size / 2 + 1) * sizeof(Touched); }
size_t total() {
  const char *text = getenv("DITLAB_STANDIN_MEMORY");
  return text ? strtoull(text, nullptr, 10) : (size_t)4 << 30;
}
size_t used() {
  std::lock_guard lock(mutex);
  return now[0];
}

int allocate(size_t bytes, bool host, uint64_t *out) {
  if (!bytes) return 1;
  std::lock_guard lock(mutex);
  if (!host && (bytes > total() || now[0] + bytes > total())) return 2;
  static char *next = [] {
    void *p = mmap(nullptr, RESERVED, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : (char *)p;
  }();
  if (!next) return 2;
  // The end is where a page begins that nothing may touch, as near as a device's alignment lets it.
  const size_t alignment = host ? 64 : 256, size = (bytes + alignment - 1) / alignment * alignment;
  char *pages = next, *start = pages + paged(size) - size;
  if (mprotect(pages, paged(size), PROT_READ | PROT_WRITE)) return 2;
  next += paged(size) + PAGE;
  memset(start, 0xff, bytes);
  *out = (uint64_t)start;
  allocations[*out] = {*out, bytes, host};
  now[host] += bytes;
  if (now[host] > most[host]) most[host] = now[host];
  return 0;
}
static void drop(Allocation &a) {
  now[a.host] -= a.size;
  if (a.touched) munmap(a.touched, touchedBytes(a));
  char *pages = (char *)(a.start / PAGE * PAGE);
  const size_t bytes = paged(a.start + a.size - (uint64_t)pages);
  madvise(pages, bytes, MADV_DONTNEED);
  mprotect(pages, bytes, PROT_NONE);
}
int release(uint64_t start, bool host) {
  std::lock_guard lock(mutex);
  auto at = allocations.find(start);
  if (at == allocations.end() || at->second.host != host) return 1;
  drop(at->second);
  allocations.erase(at);
  return 0;
}
void releaseAll() {
  std::lock_guard lock(mutex);
  for (auto &[start, a] : allocations) drop(a);
  allocations.clear();
}
static Allocation *before(uint64_t address) {
  auto at = allocations.upper_bound(address);
  return at == allocations.begin() ? nullptr : &(--at)->second;
}
Allocation *find(uint64_t address) {
  std::lock_guard lock(mutex);
  Allocation *a = before(address);
  return a && address - a->start < a->size ? a : nullptr;
}
bool inside(uint64_t address, size_t bytes) {
  Allocation *a = find(address);
  return a && bytes <= a->size - (address - a->start);
}
std::string nearest(uint64_t address) {
  std::lock_guard lock(mutex);
  Allocation *a = before(address);
  if (!a || address - a->start > a->size + (1 << 20)) {
    char hex[32];
    snprintf(hex, sizeof hex, "0x%lx", (unsigned long)address);
    return std::string("at ") + hex + ", far from all that is allocated";
  }
  const std::string size = " an allocation of " + std::to_string(a->size) + " bytes";
  if (address - a->start < a->size) return "at byte " + std::to_string(address - a->start) + " of" + size;
  return std::to_string(address - a->start - a->size) + " bytes past the end of" + size;
}
Touched *touched(Allocation &a) {
  if (a.touched) return a.touched;
  void *p = mmap(nullptr, touchedBytes(a), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) abort();
  return a.touched = (Touched *)p;
}
std::string members() {
  std::lock_guard lock(mutex);
  long device = 0, host = 0;
  for (auto &[start, a] : allocations) ++(a.host ? host : device);
  auto member = [](const char *name, size_t value) { return std::string("\"") + name + "\":" + std::to_string(value) + ","; };
  return member("bytes", now[0]) + member("mostBytes", most[0]) + member("allocations", device) +
         member("hostBytes", now[1]) + member("mostHostBytes", most[1]) + "\"hostAllocations\":" + std::to_string(host);
}
}  // namespace memory
