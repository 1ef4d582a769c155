/*
 * The checks of checked modules, before each access to memory: bounds, alignment, shared memory that nothing was written
 * to, and races. Two accesses race where two threads touch the same byte, one of them writes, and nothing orders them:
 * in a block a barrier, in a warp also __syncwarp or a shuffle, between blocks only the end of the launch.
 */
#include <cstdio>
#include "fibers.h"
#include "memory.h"
#include "report.h"
#include "run.h"

namespace running {
using emulate::Access;

/* Who: the thread in 10 bits, which of the two bytes in 2, atomic in 1, the warp's epoch in 19. */
constexpr uint32_t THREAD = 0x3ff, BYTES = 0xc00, ATOMIC_BIT = 0x1000, WARP_EPOCH = ~0x1fffu;
static uint32_t who(uint32_t bytes, bool atomic) {
  return current | bytes << 10 | (atomic ? ATOMIC_BIT : 0) | warpEpochs[current / 32] << 13;
}
/** Whether `slot` is of this launch and nothing orders it before what the thread that runs does now. */
static bool unordered(const Slot &slot, uint32_t me, bool global) {
  if (slot.epoch < launchEpoch) return false;
  if (slot.epoch < blockEpoch) return global;
  if (slot.epoch != epoch || (slot.who & THREAD) == (me & THREAD)) return false;
  const bool sameWarp = (slot.who & THREAD) / 32 == (me & THREAD) / 32;
  return !sameWarp || (slot.who & WARP_EPOCH) == (me & WARP_EPOCH);
}
static bool races(const Slot &slot, uint32_t me, bool global) {
  return slot.who & me & BYTES && !(slot.who & me & ATOMIC_BIT) && unordered(slot, me, global);
}

/** Of each kind one sentence a launch: what follows is most often the same mistake. */
enum Kind { SHARED_RACE, GLOBAL_RACE, BLOCK_RACE, UNWRITTEN, EARLY };
static uint32_t said[5];
static bool sayFirst(Kind kind) {
  if (said[kind] == launchEpoch) return false;
  said[kind] = launchEpoch;
  return true;
}
static std::string blockName() { return std::to_string(machine.block.x) + " " + std::to_string(machine.block.y) + " " + std::to_string(machine.block.z); }
static void sayRace(const Slot &slot, bool wrote, Access kind, const Allocation *global, const std::string &where) {
  const char *deeds = wrote && kind != emulate::READ ? "both write" : wrote ? "the first writes, the second reads" : "the first reads, the second writes";
  if (slot.epoch < blockEpoch) {
    if (sayFirst(BLOCK_RACE))
      report::fault(place() + " and a thread of another block race for memory " + where + ": " + deeds + ", and nothing orders blocks");
  } else if (sayFirst(global ? GLOBAL_RACE : SHARED_RACE))
    report::fault(launch->name + ": " + threadName(slot.who & THREAD) + " and " + threadName(current) + " of block " + blockName() +
                  " race for " + (global ? "memory " : "shared memory ") + where + ": " + deeds + ", and no barrier is between");
}
static void remember(Slot &slot, uint32_t me) {
  const bool same = slot.epoch == epoch && ((slot.who ^ me) & ~(BYTES | ATOMIC_BIT)) == 0;
  slot = {epoch, me | (same ? slot.who & BYTES : 0)};
}
static void rememberRead(Touched &touched, uint32_t me, bool global) {
  auto &[a, b] = touched.reads;
  auto warp = [](const Slot &s) { return (s.who & THREAD) / 32; };
  if (!unordered(a, me, global)) return remember(a, me);
  if (!unordered(b, me, global)) return remember(b, me);
  // Two of one warp say less than two of different ones.
  if (a.epoch == b.epoch && warp(a) == warp(b) && warp(a) != (me & THREAD) / 32) remember(b, me);
}

/** Where shared memory lies, its record, and how far from its start an address is. */
struct SharedPlace {
  Touched *touched = nullptr;
  size_t offset = 0;
  bool dynamic = false;
};
static SharedPlace sharedPlace(const char *p, unsigned bytes) {
  static std::vector<Touched> dynamic((256 << 10) / 2), fixed;
  const auto &module = launch->module;
  const size_t size = module.sharedEnd - module.shared;
  if (p >= machine.dynamicShared && p + bytes <= machine.dynamicShared + launch->shared)
    return {dynamic.data(), (size_t)(p - machine.dynamicShared), true};
  if (module.shared && p >= module.shared && p + bytes <= module.sharedEnd) {
    if (fixed.size() < size / 2 + 1) fixed.resize(size / 2 + 1);
    return {fixed.data(), (size_t)(p - module.shared), false};
  }
  return {};
}
static std::string described(const SharedPlace &place, size_t offset) {
  return std::string("at byte ") + std::to_string(offset) + (place.dynamic ? " of the dynamic part" : " of the static part");
}

static void note(Touched *records, size_t offset, unsigned bytes, Access kind, Allocation *global, const SharedPlace *shared) {
  for (size_t at = offset / 2; at * 2 < offset + bytes; at++) {
    Touched &touched = records[at];
    const uint32_t low = at * 2 >= offset, high = at * 2 + 1 < offset + bytes;
    const uint32_t me = who(low | high << 1, kind == emulate::ATOMIC);
    auto where = [&] { return shared ? described(*shared, at * 2) : memory::nearest(global->start + at * 2); };
    if (shared && kind != emulate::WRITE && touched.write.epoch < blockEpoch && sayFirst(UNWRITTEN))
      report::fault(place() + " reads shared memory that nothing was written to, " + where());
    if (races(touched.write, me, global)) sayRace(touched.write, true, kind, global, where());
    if (kind == emulate::READ) rememberRead(touched, me, global);
    else {
      for (auto &read : touched.reads)
        if (races(read, me, global)) sayRace(read, false, kind, global, where());
      remember(touched.write, me);
    }
  }
}

void access(const void *pointer, unsigned bytes, Access kind) {
  if (fibers::onStack(pointer)) return;
  const char *p = (const char *)pointer;
  const std::string verb = kind == emulate::READ ? " reads " : " writes ";
  if ((uintptr_t)p % bytes) fail(716, place() + verb + std::to_string(bytes) + " bytes at an address that is no multiple of it");
  const SharedPlace shared = sharedPlace(p, bytes);
  if (shared.touched) return note(shared.touched, shared.offset, bytes, kind, nullptr, &shared);
  static Allocation *last;
  static uint32_t lastLaunch;
  const uint64_t address = (uint64_t)p;
  // Nothing is released while a kernel runs.
  if (lastLaunch != launchEpoch || !last || address - last->start >= last->size) last = memory::find(address);
  lastLaunch = launchEpoch;
  if (last && bytes <= last->size - (address - last->start))
    return note(memory::touched(*last), address - last->start, bytes, kind, last, nullptr);
  if (p >= launch->module.image && p + bytes <= launch->module.imageEnd) {
    const bool past = launch->module.shared && p >= launch->module.shared - 4096 && kind != emulate::READ;
    if (!past) return;
    fail(700, place() + verb + std::to_string(bytes) + " bytes beside the module's static shared memory");
  }
  const uint64_t over = address - (uint64_t)machine.dynamicShared;
  if (over < 300 << 10)
    fail(700, place() + verb + std::to_string(bytes) + " bytes at byte " + std::to_string(over) + " of " + std::to_string(launch->shared) + " of shared memory");
  fail(700, place() + verb + std::to_string(bytes) + " bytes " + memory::nearest(address));
}

/** A copy reads and writes when it likes between its start and the wait for it: who read the place meanwhile read either. */
void arrived(const Group &copy, char *to) {
  const SharedPlace shared = sharedPlace(to, 16);
  for (size_t at = shared.offset / 2; at < shared.offset / 2 + 8; at++)
    for (const Slot &read : shared.touched[at].reads) {
      const bool mine = (read.who & THREAD) == current;
      if (read.epoch < copy.epoch || read.epoch < blockEpoch || (mine && read.epoch == copy.epoch)) continue;
      if (read.epoch == copy.epoch || !sayFirst(EARLY)) continue;
      report::fault(launch->name + ": " + threadName(read.who & THREAD) + " of block " + blockName() + " reads shared memory " +
                    described(shared, at * 2) + " while a copy of " + threadName(current) + " to it may be on its way");
    }
  access(to, 16, emulate::WRITE);
}
}  // namespace running
