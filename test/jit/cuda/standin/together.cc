/* What the lanes of a warp do together, and copies to shared memory that arrive as late as they may. */
#include <cstring>
#include "numbers.h"
#include "report.h"
#include "run.h"

namespace running {
uint32_t sharedAddress(const void *pointer) {
  const char *p = (const char *)pointer;
  const auto &module = launch->module;
  if (p >= machine.dynamicShared && p <= machine.dynamicShared + launch->shared) return DYNAMIC + (p - machine.dynamicShared);
  if (p >= module.shared && p <= module.sharedEnd) return p - module.shared;
  fail(700, place() + " asks for the shared address of what is not in shared memory");
}
char *sharedBytes(uint32_t address, const char *what) {
  if (address % 16) fail(716, place() + ": " + what + " at shared address " + std::to_string(address % DYNAMIC) + ", no multiple of 16");
  const auto &module = launch->module;
  const bool dynamic = address >= DYNAMIC;
  const size_t offset = address % DYNAMIC, size = dynamic ? launch->shared : module.sharedEnd - module.shared;
  if (address >= 2 * DYNAMIC || offset + 16 > size)
    fail(700, place() + ": " + what + " at shared address " + std::to_string(offset) + " of " + std::to_string(size) + " bytes");
  return (dynamic ? machine.dynamicShared : module.shared) + offset;
}

static long phases, conflicts;
void reportMatrices() {
  if (phases) report::matrices(launch->name, phases, conflicts);
  phases = conflicts = 0;
}
/** Eight rows of 16 bytes are read at once where each lies in banks of its own. */
static void countConflicts(Fiber *lanes) {
  for (int m = 0; m < 4; m++) {
    unsigned most = 0;
    for (unsigned bank = 0; bank < 8; bank++) {
      unsigned used = 0;
      for (int i = 0; i < 8; i++) {
        const uint32_t address = lanes[m * 8 + i].in[0];
        bool again = false;
        for (int j = 0; j < i; j++) again |= lanes[m * 8 + j].in[0] == address;
        used += address / 16 % 8 == bank && !again;
      }
      if (used > most) most = used;
    }
    phases++;
    conflicts += most - 1;
  }
}
static void loadMatrices(Fiber *lanes, bool transposed) {
  const unsigned last = current;
  const char *rows[32];
  for (unsigned i = 0; i < 32; i++) {
    current = (last & ~31u) + i;  // each lane answers for the row that it names
    rows[i] = sharedBytes(lanes[i].in[0], "load_matrices");
    if (launch->module.checked) access(rows[i], 16, emulate::READ);
  }
  current = last;
  countConflicts(lanes);
  for (unsigned lane = 0; lane < 32; lane++)
    for (int m = 0; m < 4; m++) {
      u16 pair[2];
      for (unsigned e = 0; e < 2; e++) {
        const unsigned along = lane >> 2, across = (lane & 3) * 2 + e;
        const unsigned row = transposed ? across : along, column = transposed ? along : across;
        memcpy(&pair[e], rows[m * 8 + row] + column * 2, 2);
      }
      lanes[lane].out[m] = pair[0] | (uint32_t)pair[1] << 16;
    }
}

/** c += a b: the lane's registers hold a[16][K], b[K][8] and c[16][8] as the PTX manual lays them out. */
template <int K> static void addProduct(Fiber *lanes, const float (&a)[16][K], const float (&b)[K][8]) {
  for (unsigned row = 0; row < 16; row++) {
    float sums[8];
    auto at = [&](unsigned n) { return &lanes[(row & 7) * 4 + n / 2].in[6 + (row >> 3) * 2 + (n & 1)]; };
    for (unsigned n = 0; n < 8; n++) sums[n] = emulate::float_of(*at(n));
    for (unsigned k = 0; k < K; k++)
      for (unsigned n = 0; n < 8; n++) sums[n] += a[row][k] * b[k][n];
    for (unsigned n = 0; n < 8; n++) lanes[(row & 7) * 4 + n / 2].out[(row >> 3) * 2 + (n & 1)] = emulate::bits_of(sums[n]);
  }
}
static void productOf16Bits(Fiber *lanes, float (*number)(u16)) {
  float a[16][16], b[16][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const unsigned group = lane >> 2, pair = (lane & 3) * 2;
    for (unsigned r = 0; r < 4; r++)
      for (unsigned e = 0; e < 2; e++) a[group + (r & 1) * 8][pair + e + (r >> 1) * 8] = number((u16)(lanes[lane].in[r] >> 16 * e));
    for (unsigned r = 0; r < 2; r++)
      for (unsigned e = 0; e < 2; e++) b[pair + e + r * 8][group] = number((u16)(lanes[lane].in[4 + r] >> 16 * e));
  }
  addProduct<16>(lanes, a, b);
}
static void productOfTf32(Fiber *lanes) {
  // The tensor core takes no notice of the low 13 bits, rounded or not.
  auto number = [](uint32_t bits) { return emulate::float_of(bits & ~0x1fffu); };
  float a[16][8], b[8][8];
  for (unsigned lane = 0; lane < 32; lane++) {
    const unsigned group = lane >> 2, thread = lane & 3;
    for (unsigned r = 0; r < 4; r++) a[group + (r & 1) * 8][thread + (r >> 1) * 4] = number(lanes[lane].in[r]);
    for (unsigned r = 0; r < 2; r++) b[thread + r * 4][group] = number(lanes[lane].in[4 + r]);
  }
  addProduct<8>(lanes, a, b);
}

void perform(Fiber *lanes, unsigned mask) {
  using namespace emulate;
  const Together what = fibers[current].what;
  if (what >= LOAD_MATRICES && mask != ~0u) fail(719, place() + " uses the tensor core in a warp without all its lanes");
  switch (what) {
    case SYNC_WARP: return;
    case SHUFFLE:
      for (unsigned i = 0; i < 32; i++) {
        if (!(mask >> i & 1)) continue;
        const unsigned from = lanes[i].in[2] & 31;
        // From a lane that takes no part comes nothing that could be relied on.
        if (mask >> from & 1) memcpy(lanes[i].out, lanes[from].in, 8);
        else lanes[i].out[0] = lanes[i].out[1] = ~0u;
      }
      return;
    case BALLOT: {
      uint32_t votes = 0;
      for (unsigned i = 0; i < 32; i++) votes |= mask >> i & 1 ? lanes[i].in[0] << i : 0;
      for (unsigned i = 0; i < 32; i++)
        if (mask >> i & 1) lanes[i].out[0] = votes;
      return;
    }
    case LOAD_MATRICES: return loadMatrices(lanes, false);
    case LOAD_MATRICES_TRANSPOSED: return loadMatrices(lanes, true);
    case MMA_BF16: return productOf16Bits(lanes, bf16_to_float);
    case MMA_F16: return productOf16Bits(lanes, half_to_float);
    case MMA_TF32: return productOfTf32(lanes);
  }
}

void copyAsync(unsigned to, const void *from, bool wanted) {
  char *place16 = sharedBytes(to, "copy_async16");
  if ((uintptr_t)from % 16) fail(716, place() + ": copy_async16 from an address that is no multiple of 16");
  if (launch->module.checked) {
    if (wanted) access(from, 16, emulate::READ);
    access(place16, 16, emulate::WRITE);
  }
  fibers[current].copies.back().push_back({to, from, wanted, epoch, warpEpochs[current / 32]});
}
void commitCopies() { fibers[current].copies.push_back({}); }
void waitCopies(int keep) {
  auto &groups = fibers[current].copies;
  while ((int)groups.size() - 1 > keep) {
    for (auto &copy : groups.front()) {
      char *to = sharedBytes(copy.to, "copy_async16");
      if (launch->module.checked) arrived(copy, to);
      if (copy.wanted) memcpy(to, copy.from, 16);
      else memset(to, 0, 16);
    }
    groups.erase(groups.begin());
  }
}
}  // namespace running
