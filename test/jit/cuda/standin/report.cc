#include "report.h"
#include <algorithm>
#include <map>
#include <mutex>
#include <vector>

namespace report {
static std::mutex mutex;
struct Matrices {
  long phases = 0, conflicts = 0;
};
static std::map<std::string, Matrices> loads;
static std::map<std::string, long> kernels;
static std::vector<std::string> faults;
static long dropped, counters[COUNTERS];
constexpr size_t MOST = 50;

void fault(const std::string &sentence) {
  std::lock_guard lock(mutex);
  if (std::find(faults.begin(), faults.end(), sentence) != faults.end()) return;
  if (faults.size() < MOST) faults.push_back(sentence);
  else dropped++;
}
void matrices(const std::string &kernel, long phases, long conflicts) {
  std::lock_guard lock(mutex);
  loads[kernel].phases += phases;
  loads[kernel].conflicts += conflicts;
}
void ranKernel(const std::string &kernel) {
  std::lock_guard lock(mutex);
  kernels[kernel]++;
}
void count(Counter counter, long by) {
  std::lock_guard lock(mutex);
  counters[counter] += by;
}
long counted(Counter counter) {
  std::lock_guard lock(mutex);
  return counters[counter];
}
static std::string quoted(const std::string &text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += (unsigned char)c < ' ' ? ' ' : c;
  }
  return out + "\"";
}
std::string members() {
  std::lock_guard lock(mutex);
  static const char *names[] = {"launches", "graphLaunches", "captures", "nodesReplayed", "products", "collectives"};
  std::string out;
  for (int i = 0; i < COUNTERS; i++) out += quoted(names[i]) + ":" + std::to_string(counters[i]) + ",";
  out += "\"kernels\":{";
  const char *comma = "";
  for (auto &[name, runs] : kernels) out += comma + quoted(name) + ":" + std::to_string(runs), comma = ",";
  out += "},\"matrices\":{";
  comma = "";
  for (auto &[name, m] : loads) {
    out += comma + quoted(name) + ":{\"phases\":" + std::to_string(m.phases) + ",\"conflicts\":" + std::to_string(m.conflicts) + "}";
    comma = ",";
  }
  out += "},\"faults\":[";
  comma = "";
  for (auto &sentence : faults) out += comma + quoted(sentence), comma = ",";
  return out + "],\"faultsDropped\":" + std::to_string(dropped);
}
void clear() {
  std::lock_guard lock(mutex);
  loads.clear();
  kernels.clear();
  faults.clear();
  dropped = 0;
  for (auto &counter : counters) counter = 0;
}
}  // namespace report
