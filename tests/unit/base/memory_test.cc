#include "base/memory.h"

#include <unistd.h>

#include <fstream>
#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace oneagent {
namespace {

constexpr size_t kPiece = 4096;
constexpr size_t kPieces = 16384;  // 64 MiB

size_t ResidentBytes() {
  std::ifstream in("/proc/self/statm");
  size_t size = 0;
  size_t resident = 0;
  in >> size >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// Freed memory below a piece that lives on is what glibc keeps.
std::unique_ptr<char[]> UseMuchAndKeepTheLast() {
  std::vector<std::unique_ptr<char[]>> pieces;
  for (size_t i = 0; i < kPieces; ++i) {
    pieces.push_back(std::make_unique<char[]>(kPiece));
    pieces.back()[0] = 'x';
  }
  return std::move(pieces.back());
}

TEST(MemoryTrimTest, ReturnsWhatIsMoreThanSpareOnce) {
  MemoryTrim generous(/*spare=*/1 << 30);
  MemoryTrim trim(/*spare=*/8 << 20);
  trim.RunOnce();  // what others left
  const size_t before = ResidentBytes();
  const std::unique_ptr<char[]> last = UseMuchAndKeepTheLast();
  ASSERT_GT(ResidentBytes(), before + (32 << 20));
  EXPECT_FALSE(generous.RunOnce());
  EXPECT_GT(ResidentBytes(), before + (32 << 20));
  EXPECT_TRUE(trim.RunOnce());
  EXPECT_LT(ResidentBytes(), before + (16 << 20));
  EXPECT_FALSE(trim.RunOnce());
}

}  // namespace
}  // namespace oneagent
