#include "queue.h"
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>
#include "report.h"

namespace queue {
using Clock = std::chrono::steady_clock;
static std::mutex mutex;
static std::condition_variable changed;
/** Streams with work; one that was destroyed stays until it has none. */
static std::vector<StreamOf> busy;
static std::set<std::shared_ptr<Capture>> captures;
static std::vector<uint64_t> runningNames;
static bool runs, wanted, stopping;
static int error;
static Clock::time_point oldest;

static double now() { return std::chrono::duration<double, std::milli>(Clock::now().time_since_epoch()).count(); }
static bool atOnce() {
  const char *text = getenv("DITLAB_STANDIN_SYNC");
  return text && *text && strcmp(text, "0");
}
static std::chrono::milliseconds delay() {
  const char *text = getenv("DITLAB_STANDIN_DELAY");
  return std::chrono::milliseconds(text ? atoi(text) : 5);
}
static bool ready(const StreamOf &stream) {
  if (stream->entries.empty()) return false;
  const Entry &entry = stream->entries.front();
  return !entry.waits || entry.event->completed >= entry.ticket;
}
/** The stream that had work last goes first: nothing but an event says that another's comes before. */
static StreamOf next() {
  for (size_t i = busy.size(); i-- > 0;)
    if (ready(busy[i])) return busy[i];
  return nullptr;
}
/** Does one entry; the lock is not held while its work runs. */
static void step(std::unique_lock<std::mutex> &lock, const StreamOf &stream) {
  Entry entry = std::move(stream->entries.front());
  stream->entries.pop_front();
  if (entry.work.run) {
    runs = true;
    runningNames = entry.work.names;
    lock.unlock();
    const int status = entry.work.run();
    lock.lock();
    runs = false;
    runningNames.clear();
    if (status && !error) error = status;
  } else if (entry.event && !entry.waits && !error) {
    entry.event->completed = std::max(entry.event->completed, entry.ticket);
    entry.event->milliseconds = now();
  }
  if (error)
    for (auto &other : busy) other->entries.clear();
  std::erase_if(busy, [](const StreamOf &s) { return s->entries.empty(); });
  if (busy.empty()) wanted = false;
  changed.notify_all();
}
struct Worker {
  std::thread thread;
  Worker() : thread([this] { loop(); }) {}
  ~Worker() {
    {
      std::lock_guard lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    thread.join();
  }
  void loop() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      StreamOf stream = runs ? nullptr : next();
      if (!stream) changed.wait(lock);
      else if (wanted || Clock::now() >= oldest + delay()) step(lock, stream);
      else changed.wait_until(lock, oldest + delay());
    }
  }
};
static void push(std::unique_lock<std::mutex> &lock, const StreamOf &stream, Entry entry) {
  const bool first = busy.empty();
  if (stream->entries.empty()) busy.push_back(stream);
  stream->entries.push_back(std::move(entry));
  if (first) oldest = Clock::now();
  if (atOnce()) {
    changed.wait(lock, [] { return !runs; });
    while (StreamOf one = next()) step(lock, one);
    return;
  }
  static Worker worker;
  changed.notify_all();
}
static int waitUntil(std::unique_lock<std::mutex> &lock, const std::function<bool()> &done) {
  wanted = !busy.empty();
  changed.notify_all();
  changed.wait(lock, [&] { return error || done(); });
  return error;
}

int lost() {
  std::lock_guard lock(mutex);
  return error;
}
void lose(int code) {
  std::lock_guard lock(mutex);
  if (!error) error = code;
}
void clear() {
  std::unique_lock lock(mutex);
  waitUntil(lock, [] { return busy.empty() && !runs; });
  changed.wait(lock, [] { return !runs; });
  for (auto &stream : busy) stream->entries.clear();
  busy.clear();
  captures.clear();
  error = 0;
}

int submit(const StreamOf &stream, Work work) {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (stream->capture) {
    if (stream->capture->invalid) return CAPTURE_INVALIDATED;
    stream->capture->graph->nodes.push_back(std::move(work));
    return OK;
  }
  push(lock, stream, {std::move(work), nullptr});
  return OK;
}
int record(const StreamOf &stream, const std::shared_ptr<Event> &event) {
  std::unique_lock lock(mutex);
  if (error) return error;
  event->capture = stream->capture;
  if (stream->capture) return stream->capture->invalid ? CAPTURE_INVALIDATED : OK;
  push(lock, stream, {{}, event, ++event->recorded, false});
  return OK;
}
int wait(const StreamOf &stream, const std::shared_ptr<Event> &event) {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (event->capture && captures.count(event->capture)) {
    // Another stream joins the capture; the order of its nodes is that of the calls.
    if (stream->capture && stream->capture != event->capture) return CAPTURE_ISOLATION;
    if (!stream->capture && !stream->entries.empty()) return CAPTURE_ISOLATION;
    if (!stream->capture) event->capture->streams.push_back(stream);
    stream->capture = event->capture;
    return OK;
  }
  if (stream->capture) {
    if (!event->recorded) return OK;
    stream->capture->invalid = true;
    return CAPTURE_ISOLATION;
  }
  if (event->completed < event->recorded) push(lock, stream, {{}, event, event->recorded, true});
  return OK;
}
int query(const std::shared_ptr<Event> &event) {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (event->capture) return CAPTURED_EVENT;
  if (event->completed == event->recorded) return OK;
  wanted = true;
  changed.notify_all();
  return NOT_READY;
}
int synchronize(const std::shared_ptr<Event> &event) {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (event->capture) return CAPTURED_EVENT;
  const uint64_t ticket = event->recorded;
  return waitUntil(lock, [&] { return event->completed >= ticket; });
}
int synchronize(const StreamOf &stream) {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (stream->capture) {
    stream->capture->invalid = true;
    return CAPTURE_UNSUPPORTED;
  }
  auto last = std::make_shared<Event>();
  last->recorded = 1;
  push(lock, stream, {{}, last, 1, false});
  return waitUntil(lock, [&] { return last->completed == 1; });
}
int synchronizeAll() {
  std::unique_lock lock(mutex);
  if (error) return error;
  if (!captures.empty()) {
    for (auto &capture : captures) capture->invalid = true;
    return CAPTURE_UNSUPPORTED;
  }
  return waitUntil(lock, [] { return busy.empty() && !runs; });
}
bool names(uint64_t start, size_t bytes) {
  std::lock_guard lock(mutex);
  auto within = [&](const std::vector<uint64_t> &all) {
    for (uint64_t name : all)
      if (name - start < bytes) return true;
    return false;
  };
  if (within(runningNames)) return true;
  for (auto &stream : busy)
    for (auto &entry : stream->entries)
      if (within(entry.work.names)) return true;
  return false;
}

bool forbidden(int strictest) {
  std::lock_guard lock(mutex);
  bool found = false;
  for (auto &capture : captures)
    if (capture->mode <= strictest) capture->invalid = found = true;
  return found;
}
int beginCapture(const StreamOf &stream, int mode, const void *thread) {
  std::lock_guard lock(mutex);
  if (error) return error;
  if (mode < 0 || mode > 2) return INVALID_VALUE;
  if (stream->capture) return ILLEGAL_STATE;
  stream->capture = std::make_shared<Capture>();
  stream->capture->mode = mode;
  stream->capture->origin = stream.get();
  stream->capture->thread = thread;
  stream->capture->streams.push_back(stream);
  captures.insert(stream->capture);
  report::count(report::CAPTURES);
  return OK;
}
int endCapture(const StreamOf &stream, const void *thread, std::shared_ptr<Graph> &out) {
  std::lock_guard lock(mutex);
  if (error) return error;
  auto capture = stream->capture;
  if (!capture) return ILLEGAL_STATE;
  if (capture->origin != stream.get()) return CAPTURE_UNMATCHED;
  if (capture->mode != 2 && capture->thread != thread) return CAPTURE_WRONG_THREAD;
  captures.erase(capture);
  for (auto &one : capture->streams) one->capture = nullptr;
  capture->streams.clear();
  if (capture->invalid) return CAPTURE_INVALIDATED;
  out = capture->graph;
  return OK;
}
int capturing(const StreamOf &stream) {
  std::lock_guard lock(mutex);
  return !stream->capture ? 0 : stream->capture->invalid ? 2 : 1;
}
std::string members() {
  std::lock_guard lock(mutex);
  size_t waiting = 0;
  for (auto &stream : busy) waiting += stream->entries.size();
  return "\"queued\":" + std::to_string(waiting) + ",\"lost\":" + std::to_string(error);
}
}  // namespace queue
