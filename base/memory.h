// What a process has of memory.
#ifndef BASE_MEMORY_H_
#define BASE_MEMORY_H_

#include <cstddef>

namespace oneagent {

// Gives freed memory back to the kernel when the allocator keeps more than
// `spare` bytes of it. glibc does so by itself only at the end of its heap: a
// burst of calls, or a hostile client, would be seen in the process's size for
// as long as it lives. Cheap when there is nothing to do. Thread-safe.
void ReturnFreeMemory(size_t spare);

}  // namespace oneagent

#endif  // BASE_MEMORY_H_
