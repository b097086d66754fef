// For LD_PRELOAD: gives a program a wall clock that can be set without setting
// the machine's. The time of day is the kernel's plus the nanoseconds in the
// file that SOAK_CLOCK names, which whoever has mapped it may change at any
// time. Waits until a time of day (futexes of Abseil) are translated back;
// monotonic clocks are the kernel's.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr int64_t kNanos = 1'000'000'000;
const int64_t kNoShift = 0;

const int64_t* MapShift() {
  const char* const path = getenv("SOAK_CLOCK");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return &kNoShift;
  void* const mapped =
      mmap(nullptr, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return mapped == MAP_FAILED ? &kNoShift : static_cast<int64_t*>(mapped);
}

int64_t Shift() {
  static const int64_t* const shift = MapShift();
  return __atomic_load_n(shift, __ATOMIC_SEQ_CST);
}

void Add(struct timespec* time, int64_t nanos) {
  const int64_t sum = time->tv_sec * kNanos + time->tv_nsec + nanos;
  time->tv_sec = sum / kNanos;
  time->tv_nsec = sum % kNanos;
}

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t id, struct timespec* time) {
  static auto* const real = Real<int(clockid_t, struct timespec*)>(__func__);
  const int result = real(id, time);
  const bool is_wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
  if (result == 0 && is_wall) Add(time, Shift());
  return result;
}

int gettimeofday(struct timeval* time, void*) {
  struct timespec now = {};
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t* into) {
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  if (into != nullptr) *into = now.tv_sec;
  return now.tv_sec;
}

// NOLINTNEXTLINE(cert-dcl50-cpp): libc's own signature
long syscall(long number, ...) {
  static auto* const real = Real<long(long, ...)>(__func__);
  va_list list;
  va_start(list, number);
  long words[6];
  for (long& word : words) word = va_arg(list, long);
  va_end(list);
  struct timespec until;
  const bool is_wait = number == SYS_futex &&
                       (words[1] & FUTEX_CLOCK_REALTIME) != 0 && words[3] != 0;
  if (is_wait) {
    until = *reinterpret_cast<const struct timespec*>(words[3]);
    Add(&until, -Shift());
    words[3] = reinterpret_cast<long>(&until);
  }
  return real(number, words[0], words[1], words[2], words[3], words[4],
              words[5]);
}

}  // extern "C"
