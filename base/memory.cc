#include "base/memory.h"

#include <malloc.h>

#include <algorithm>

namespace oneagent {

bool MemoryTrim::RunOnce() {
  // Of all arenas; what was returned still counts as free.
  const size_t free_bytes = mallinfo2().fordblks;
  returned_ = std::min(returned_, free_bytes);
  if (free_bytes - returned_ <= spare_) return false;
  malloc_trim(0);
  returned_ = free_bytes;
  return true;
}

}  // namespace oneagent
