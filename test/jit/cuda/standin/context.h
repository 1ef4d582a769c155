/* The driver's objects by their handles, and the context that they belong to. */
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include "queue.h"
#include "run.h"

/** Objects of one kind; a handle that was not given out, or is destroyed, finds none. */
template <typename T> class Registry {
  std::map<void *, std::shared_ptr<T>> all;
  std::mutex mutex;

 public:
  void *add(std::shared_ptr<T> object) {
    std::lock_guard lock(mutex);
    all[object.get()] = object;
    return object.get();
  }
  std::shared_ptr<T> get(void *handle) {
    std::lock_guard lock(mutex);
    auto at = all.find(handle);
    return at == all.end() ? nullptr : at->second;
  }
  bool remove(void *handle) {
    std::lock_guard lock(mutex);
    return all.erase(handle);
  }
  size_t size() {
    std::lock_guard lock(mutex);
    return all.size();
  }
  void clear() {
    std::lock_guard lock(mutex);
    all.clear();
  }
};

struct LoadedModule {
  void *library = nullptr;
  emulate::Module info;
  ~LoadedModule();
};
struct Function {
  std::string name;
  emulate::Kernel kernel;
  std::shared_ptr<LoadedModule> module;
  int mostShared = 48 << 10;
};
struct Executable {
  std::shared_ptr<Graph> graph;
};

extern Registry<LoadedModule> &modules;
extern Registry<Function> &functions;
extern Registry<Event> &events;
extern Registry<Stream> &streams;
extern Registry<Graph> &graphs;
extern Registry<Executable> &executables;

/** What most calls begin with: an error where this thread has no context, or it is lost. */
int ready();
StreamOf streamOf(void *handle);
int loadModule(const void *image, std::shared_ptr<LoadedModule> &out);
int findFunction(const std::shared_ptr<LoadedModule> &module, const char *name, std::shared_ptr<Function> &out);
/** Runs a kernel, or fails as the environment asks for. */
int runWatched(const Launch &launch);
extern long kernelsBeforeLoss;
extern int lossError;

constexpr int DEVICE_ARCH = 90, MOST_SHARED = 227 << 10;

#define API extern "C" __attribute__((visibility("default"))) int
