/* The driver API: streams, events and graphs. */
#include "context.h"
#include "report.h"

/** Something of this thread, by which a capture knows who began it. */
static thread_local char thisThread;

API cuStreamCreate(void **handle, unsigned flags) {
  if (int error = ready()) return error;
  if (!handle || flags > 1) return INVALID_VALUE;
  *handle = streams.add(std::make_shared<Stream>());
  return OK;
}
API cuStreamDestroy_v2(void *handle) {
  if (int error = ready()) return error;
  return streams.remove(handle) ? OK : INVALID_HANDLE;
}
API cuStreamSynchronize(void *handle) {
  if (int error = ready()) return error;
  auto stream = streamOf(handle);
  return stream ? queue::synchronize(stream) : INVALID_HANDLE;
}
API cuStreamWaitEvent(void *handle, void *eventHandle, unsigned flags) {
  if (int error = ready()) return error;
  auto stream = streamOf(handle);
  auto event = events.get(eventHandle);
  if (!stream || !event) return INVALID_HANDLE;
  return flags > 1 ? INVALID_VALUE : queue::wait(stream, event);
}

API cuStreamBeginCapture_v2(void *handle, int mode) {
  if (int error = ready()) return error;
  if ((uintptr_t)handle <= 1) return CAPTURE_UNSUPPORTED;
  auto stream = streamOf(handle);
  return stream ? queue::beginCapture(stream, mode, &thisThread) : INVALID_HANDLE;
}
API cuStreamEndCapture(void *handle, void **graphHandle) {
  if (int error = ready()) return error;
  auto stream = streamOf(handle);
  if (!stream) return INVALID_HANDLE;
  if (!graphHandle) return INVALID_VALUE;
  *graphHandle = nullptr;
  std::shared_ptr<Graph> graph;
  if (int error = queue::endCapture(stream, &thisThread, graph)) return error;
  *graphHandle = graphs.add(graph);
  return OK;
}
API cuStreamIsCapturing(void *handle, int *status) {
  if (int error = ready()) return error;
  auto stream = streamOf(handle);
  return stream ? (*status = queue::capturing(stream), OK) : INVALID_HANDLE;
}

API cuGraphInstantiateWithFlags(void **handle, void *graphHandle, unsigned long long) {
  if (int error = ready()) return error;
  auto graph = graphs.get(graphHandle);
  if (!graph) return INVALID_HANDLE;
  if (!handle) return INVALID_VALUE;
  auto executable = std::make_shared<Executable>();
  executable->graph = graph;
  *handle = executables.add(executable);
  return OK;
}
API cuGraphLaunch(void *handle, void *streamHandle) {
  if (int error = ready()) return error;
  auto executable = executables.get(handle);
  auto stream = streamOf(streamHandle);
  if (!executable || !stream) return INVALID_HANDLE;
  Work work;
  for (auto &node : executable->graph->nodes) work.names.insert(work.names.end(), node.names.begin(), node.names.end());
  work.run = [graph = executable->graph] {
    for (auto &node : graph->nodes) {
      report::count(report::NODES_REPLAYED);
      if (int error = node.run()) return error;
    }
    return (int)OK;
  };
  const int status = queue::submit(stream, std::move(work));
  if (!status) report::count(report::GRAPH_LAUNCHES);
  return status;
}
API cuGraphExecDestroy(void *handle) {
  if (int error = ready()) return error;
  return executables.remove(handle) ? OK : INVALID_HANDLE;
}
API cuGraphDestroy(void *handle) {
  if (int error = ready()) return error;
  return graphs.remove(handle) ? OK : INVALID_HANDLE;
}

constexpr unsigned DISABLE_TIMING = 2;
API cuEventCreate(void **handle, unsigned flags) {
  if (int error = ready()) return error;
  if (!handle || flags > 7) return INVALID_VALUE;
  auto event = std::make_shared<Event>();
  event->flags = flags;
  *handle = events.add(event);
  return OK;
}
API cuEventDestroy_v2(void *handle) {
  if (int error = ready()) return error;
  return events.remove(handle) ? OK : INVALID_HANDLE;
}
API cuEventRecord(void *handle, void *streamHandle) {
  if (int error = ready()) return error;
  auto event = events.get(handle);
  auto stream = streamOf(streamHandle);
  return event && stream ? queue::record(stream, event) : INVALID_HANDLE;
}
API cuEventQuery(void *handle) {
  if (int error = ready()) return error;
  auto event = events.get(handle);
  if (!event) return INVALID_HANDLE;
  return queue::forbidden(0) ? CAPTURE_UNSUPPORTED : queue::query(event);
}
API cuEventSynchronize(void *handle) {
  if (int error = ready()) return error;
  auto event = events.get(handle);
  if (!event) return INVALID_HANDLE;
  return queue::forbidden(0) ? CAPTURE_UNSUPPORTED : queue::synchronize(event);
}
API cuEventElapsedTime_v2(float *milliseconds, void *startHandle, void *endHandle) {
  if (int error = ready()) return error;
  auto start = events.get(startHandle), end = events.get(endHandle);
  if (!start || !end || (start->flags | end->flags) & DISABLE_TIMING || !start->recorded || !end->recorded) return INVALID_HANDLE;
  for (auto &event : {start, end})
    if (int error = queue::query(event)) return error;
  *milliseconds = (float)(end->milliseconds - start->milliseconds);
  return OK;
}
API cuEventElapsedTime(float *milliseconds, void *start, void *end) { return cuEventElapsedTime_v2(milliseconds, start, end); }
