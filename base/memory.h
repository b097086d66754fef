// What a process has of memory.
#ifndef BASE_MEMORY_H_
#define BASE_MEMORY_H_

#include <cstddef>

namespace oneagent {

// Gives freed memory back to the kernel when the allocator keeps more than
// `spare` bytes of it. glibc does so by itself only at the end of its heap: a
// burst of calls, or a hostile client, would be seen in the process's size for
// as long as it lives. One thread at a time.
class MemoryTrim {
 public:
  explicit MemoryTrim(size_t spare) : spare_(spare) {}

  // True when there was something to give. Cheap when not.
  bool RunOnce();

 private:
  const size_t spare_;
  size_t returned_ = 0;  // of what is free now, what the kernel has already
};

}  // namespace oneagent

#endif  // BASE_MEMORY_H_
