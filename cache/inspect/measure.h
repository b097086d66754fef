// Measures what is in a tree, without its root itself. The tree may belong to a
// pod: names are resolved below the tree's root only, no link is followed,
// other file systems are not entered. Thread-safe.
#ifndef CACHE_INSPECT_MEASURE_H_
#define CACHE_INSPECT_MEASURE_H_

#include <cstdint>
#include <string>

namespace oneagent {

struct MeasuredTree {
  int64_t bytes = 0;  // allocated (st_blocks * 512); hard links count once
  // False when a part could not be read, or lies deeper than a path may be
  // long; `bytes` is then what could be counted.
  bool complete = true;
};

// A missing tree has no bytes and is complete.
MeasuredTree MeasureTree(const std::string& root);

}  // namespace oneagent

#endif  // CACHE_INSPECT_MEASURE_H_
