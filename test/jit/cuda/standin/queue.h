/*
 * Streams, events and captures. Work is done by one thread of the process, stream by stream in order, and as late as a
 * device may: once somebody waits or asks for it, or some milliseconds later. So a synchronization that is missing shows.
 */
#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

enum Error {
  OK = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201, NO_BINARY = 209, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600,
  ILLEGAL_ADDRESS = 700, OUT_OF_RESOURCES = 701, MISALIGNED = 716, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900, CAPTURE_INVALIDATED = 901, CAPTURE_UNMATCHED = 903, CAPTURE_ISOLATION = 905,
  CAPTURED_EVENT = 907, CAPTURE_WRONG_THREAD = 908, UNKNOWN = 999,
};

/** A piece of work, and the addresses that it names, so that a release of them too early shows. */
struct Work {
  std::function<int()> run;
  std::vector<uint64_t> names;
  bool kernel = false;
};
struct Graph {
  std::vector<Work> nodes;
};
struct Capture {
  std::shared_ptr<Graph> graph = std::make_shared<Graph>();
  int mode;
  const void *origin, *thread;
  /** All streams that take part. */
  std::vector<std::shared_ptr<struct Stream>> streams;
  bool invalid = false;
};
struct Event {
  unsigned flags;
  uint64_t recorded = 0, completed = 0;
  double milliseconds = 0;
  std::shared_ptr<Capture> capture;
};
/** Work in a stream; or a mark of an event's record, or a wait for one. */
struct Entry {
  Work work;
  std::shared_ptr<Event> event;
  uint64_t ticket = 0;
  bool waits = false;
};
struct Stream {
  std::deque<Entry> entries;
  std::shared_ptr<Capture> capture;
};
typedef std::shared_ptr<Stream> StreamOf;

namespace queue {
/** What a context is left with after an error of its work; every call returns it. */
int lost();
void lose(int error);
void clear();
int submit(const StreamOf &stream, Work work);
int record(const StreamOf &stream, const std::shared_ptr<Event> &event);
int wait(const StreamOf &stream, const std::shared_ptr<Event> &event);
/** 0, NOT_READY or the error of a lost context. */
int query(const std::shared_ptr<Event> &event);
int synchronize(const std::shared_ptr<Event> &event);
int synchronize(const StreamOf &stream);
int synchronizeAll();
/** Whether work that is not done yet names an address within. */
bool names(uint64_t start, size_t bytes);
/** A running capture that forbids what only `relaxed` ones allow; it is invalid then. */
bool forbidden(int strictest);
int beginCapture(const StreamOf &stream, int mode, const void *thread);
int endCapture(const StreamOf &stream, const void *thread, std::shared_ptr<Graph> &out);
int capturing(const StreamOf &stream);
std::string members();
}  // namespace queue
