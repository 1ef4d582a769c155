/* What the stand-in libraries ask of the stand-in driver. */
#pragma once
#include <cstddef>
#include <cstdint>
#include "queue.h"

#define STANDIN_EXPORT extern "C" __attribute__((visibility("default")))
/** The error that the calling thread's context is in, or that it has none. */
STANDIN_EXPORT int standin_context();
STANDIN_EXPORT bool standin_inside(uint64_t address, size_t bytes);
/** Which device the context is of. */
STANDIN_EXPORT int standin_device();
/** Gives a product's work to a stream, as the driver's own. */
STANDIN_EXPORT int standin_submit(void *stream, Work *work);
/** The same of what several processes do together. */
STANDIN_EXPORT int standin_collective(void *stream, Work *work);
/** What was seen so far, as JSON; the text stays until the next call of the same thread. */
STANDIN_EXPORT const char *standin_report();
/** Forgets what was counted and found. */
STANDIN_EXPORT void standin_clear_report();
