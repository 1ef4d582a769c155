/* The device's memory and the host's pinned memory. An address is never used twice, so that use after a free shows. */
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

struct Slot {
  uint32_t epoch, who;
};
/** Who touched two bytes last, for the checks: a write, and two reads that no barrier orders. */
struct Touched {
  Slot write, reads[2];
};
struct Allocation {
  uint64_t start;
  size_t size;
  bool host;
  Touched *touched = nullptr;
};

namespace memory {
/** 0 or the error of the driver. */
int allocate(size_t bytes, bool host, uint64_t *out);
int release(uint64_t start, bool host);
/** The allocation that an address lies in; stays valid until it is released. */
Allocation *find(uint64_t address);
bool inside(uint64_t address, size_t bytes);
/** What lies nearest to an address, in words. */
std::string nearest(uint64_t address);
Touched *touched(Allocation &allocation);
size_t total();
size_t used();
std::string members();
void releaseAll();
}  // namespace memory
