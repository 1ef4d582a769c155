/* A piece of memory that the processes of a communicator share: they meet there, and sum arrays in it. */
#pragma once
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

class Exchange {
 public:
  static constexpr int MOST = 16;
  enum Outcome { DONE, ABORTED, FAILED, DIFFERENT, SHARED_DEVICE };

 private:
  static constexpr size_t CHUNK = 1 << 14;
  struct Shared {
    /** Of each rank 1 more than its device, once it is there. */
    std::atomic<int> devices[MOST];
    std::atomic<uint64_t> arrived;
    std::atomic<bool> failed;
    size_t counts[MOST];
    float numbers[MOST][CHUNK];
  };
  const int size, rank;
  std::string name;
  Shared *shared = nullptr;
  uint64_t meetings = 0;
  std::atomic<bool> aborted{false};

  template <typename Done> Outcome until(Done done) {
    while (!done()) {
      if (aborted) return ABORTED;
      if (shared->failed) return FAILED;
      usleep(100);
    }
    return DONE;
  }

 public:
  Exchange(uint32_t id, int size, int rank) : size(size), rank(rank) {
    char text[40];
    snprintf(text, sizeof text, "/ditlab-nccl-%08x", id);
    name = text;
    const int file = shm_open(text, O_CREAT | O_RDWR, 0600);
    // New memory is zeros, whoever makes it.
    if (file < 0 || ftruncate(file, sizeof(Shared))) return;
    void *at = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at != MAP_FAILED) shared = (Shared *)at;
  }
  ~Exchange() {
    if (shared) munmap(shared, sizeof(Shared));
    shm_unlink(name.c_str());
  }
  Exchange(const Exchange &) = delete;

  bool exists() const { return shared; }
  int ofRank() const { return rank; }
  void abort() { aborted = true; }
  /** Lets the others know that this rank goes no further. */
  void fail() { shared->failed = true; }
  void untilAborted() {
    while (!aborted) usleep(100);
  }
  /** Waits for all ranks. */
  Outcome meet() {
    const uint64_t all = ++meetings * size;
    shared->arrived++;
    return until([&] { return shared->arrived >= all; });
  }
  /** The first meeting: each has a device of its own. */
  Outcome attach(int device) {
    shared->devices[rank] = device + 1;
    if (Outcome outcome = meet()) return outcome;
    // All have it: the name need not outlive processes that are killed.
    shm_unlink(name.c_str());
    for (int i = 0; i < size; i++)
      for (int j = 0; j < i; j++)
        if (shared->devices[i] == shared->devices[j]) return SHARED_DEVICE;
    return DONE;
  }
  /** Sums in the order of the ranks, so that all have the same to the last bit. */
  Outcome sum(const float *from, float *to, size_t count) {
    shared->counts[rank] = count;
    if (Outcome outcome = meet()) return outcome;
    for (int i = 0; i < size; i++)
      if (shared->counts[i] != count) return DIFFERENT;
    std::vector<float> sums;
    for (size_t at = 0; at < count; at += CHUNK) {
      const size_t length = std::min(CHUNK, count - at);
      memcpy(shared->numbers[rank], from + at, length * sizeof(float));
      if (Outcome outcome = meet()) return outcome;
      sums.assign(length, 0);
      for (int i = 0; i < size; i++)
        for (size_t j = 0; j < length; j++) sums[j] += shared->numbers[i][j];
      memcpy(to + at, sums.data(), length * sizeof(float));
      if (Outcome outcome = meet()) return outcome;
    }
    // Nobody names the next one's count before all have compared this one's.
    return meet();
  }
};
