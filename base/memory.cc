#include "base/memory.h"

#include <malloc.h>

namespace oneagent {

void ReturnFreeMemory(size_t spare) {
  // Of all arenas.
  if (mallinfo2().fordblks > spare) malloc_trim(0);
}

}  // namespace oneagent
