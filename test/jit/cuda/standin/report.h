/* What the stand-in saw, for tests to read as JSON. Safe from all threads. */
#pragma once
#include <string>

namespace report {
/** What a program did wrong, as a sentence; the same one is kept once. */
void fault(const std::string &sentence);
/** Phases of ldmatrix, and how many more times than once they had to be read. */
void matrices(const std::string &kernel, long phases, long conflicts);
void ranKernel(const std::string &kernel);
enum Counter { LAUNCHES, GRAPH_LAUNCHES, CAPTURES, NODES_REPLAYED, PRODUCTS, COLLECTIVES, COUNTERS };
void count(Counter counter, long by = 1);
long counted(Counter counter);
/** The members of a JSON object. */
std::string members();
void clear();
}  // namespace report
