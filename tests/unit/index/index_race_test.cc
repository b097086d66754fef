// The promise "nothing in use is ever taken away", played as a race: one side
// publishes and holds leases, the other switches the tenant and collects what
// it let go, thousands of times, as two threads and as two processes.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/unit/index/child.h"
#include "tests/unit/index/index_fixture.h"

namespace oneagent {
namespace {

constexpr int kRounds = 2000;

// In memory that threads and processes share.
struct Arena {
  pthread_barrier_t barrier;
  std::atomic<int> errors;   // calls that failed
  std::atomic<int> stolen;   // leased agents that were taken away
  std::atomic<int> deleted;  // collections that succeeded
  std::atomic<int> refused;  // collections that met a lease
};

class SharedArena {
 public:
  SharedArena() {
    void* const memory = mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) abort();
    arena_ = new (memory) Arena{};
    pthread_barrierattr_t attributes;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&arena_->barrier, &attributes, 2);
    pthread_barrierattr_destroy(&attributes);
  }
  ~SharedArena() {
    pthread_barrier_destroy(&arena_->barrier);
    munmap(arena_, sizeof(Arena));
  }
  SharedArena(const SharedArena&) = delete;
  SharedArena& operator=(const SharedArena&) = delete;
  Arena& operator*() const { return *arena_; }

 private:
  Arena* arena_;
};

void Meet(Arena& arena) { pthread_barrier_wait(&arena.barrier); }

void Expect(Arena& arena, bool ok) {
  if (!ok) ++arena.errors;
}

// Shifts the two sides against each other, a little more each round.
void Dawdle(int steps) {
  std::atomic<int> sink{0};
  for (int i = 0; i < steps; ++i) sink.fetch_add(i, std::memory_order_relaxed);
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Some rounds are decided beforehand, so that both outcomes are seen on any
// machine: a lease is there before the collection begins, or none before it
// is over. The others are a race.
bool LeaseFirst(int round) { return round % 16 == 0; }
bool CollectFirst(int round) { return round % 16 == 1; }

void Publish(Index& index, const Layout& layout, Arena& arena) {
  for (int round = 0; round < kRounds; ++round) {
    LeaseRequest request = {.volume = VolumeOf("first"), .now = At(round)};
    Meet(arena);  // both agents are installed
    std::string first;
    if (LeaseFirst(round)) {
      const auto lease = index.AcquireLease(request);
      Expect(arena, lease.ok());
      if (lease.ok()) first = lease->agent_id;
    }
    Meet(arena);
    request.volume = VolumeOf("racing");
    if (CollectFirst(round)) Meet(arena);
    Dawdle(round % 100 * 200);
    const auto lease = index.AcquireLease(request);
    Expect(arena, lease.ok());
    const std::string racing = lease.ok() ? lease->agent_id : "none";
    if (!Exists(layout.AgentTree(racing))) ++arena.stolen;
    if (!CollectFirst(round)) Meet(arena);  // the collection is over
    for (const std::string& leased : {first, racing}) {
      if (leased.empty()) continue;
      const auto agent = index.GetAgent(leased);
      if (!agent.ok() || !agent->has_value() ||
          !Exists(layout.AgentTree(leased))) {
        ++arena.stolen;
      }
    }
    Expect(arena, index.ReleaseLease("first", At(round)).ok());
    Expect(arena, index.ReleaseLease("racing", At(round)).ok());
    Meet(arena);
  }
}

void Collect(Index& index, const Layout& layout, Arena& arena) {
  const std::string agents[] = {"a0", "a1"};
  for (int round = 0; round < kRounds; ++round) {
    const std::string& before = agents[round % 2];
    const std::string& after = agents[1 - round % 2];
    for (const std::string& id : agents) {
      mkdir(layout.AgentTree(id).c_str(), 0755);
      Expect(arena, index.PutAgent(AgentOf(id, "1.0")).ok());
    }
    Expect(arena, index.PutTenant(TenantOf("dk", before)).ok());
    Meet(arena);
    Meet(arena);  // a lease that comes first is there now
    Dawdle((kRounds - round) % 70 * 300);
    Expect(arena, index.PutTenant(TenantOf("dk", after)).ok());
    const auto deleted =
        index.DeleteAgentIfUnused(before, absl::InfiniteFuture(), kBoot);
    Expect(arena, deleted.ok());
    const bool gone = deleted.ok() && *deleted;
    if (gone) rmdir(layout.AgentTree(before).c_str());
    ++(gone ? arena.deleted : arena.refused);
    if (gone ? LeaseFirst(round) : CollectFirst(round)) ++arena.errors;
    Meet(arena);
    Meet(arena);
  }
}

class IndexRaceTest : public IndexTest {
 protected:
  void SetUp() override {
    IndexTest::SetUp();
    ASSERT_OK(index_->SetReconciled(kBoot));
  }
  void ExpectNothingStolen(const Arena& arena) {
    EXPECT_EQ(arena.errors, 0);
    EXPECT_EQ(arena.stolen, 0);
    EXPECT_GT(arena.deleted, 0);
    EXPECT_GT(arena.refused, 0);
    RecordProperty("deleted", arena.deleted);
    RecordProperty("refused", arena.refused);
  }
};

TEST_F(IndexRaceTest, NoLeasedAgentIsDeletedByAnotherThread) {
  const SharedArena arena;
  ASSERT_OK_AND_ASSIGN(const auto other, OpenAnother());
  std::thread collector([&] { Collect(*other, layout_, *arena); });
  Publish(*index_, layout_, *arena);
  collector.join();
  ExpectNothingStolen(*arena);
}

TEST_F(IndexRaceTest, NoLeasedAgentIsDeletedByAnotherProcess) {
  const SharedArena arena;
  index_.reset();  // a connection must not be carried over fork
  const pid_t collector = StartChild([&] {
    const auto other = OpenAnother();
    // Without an index there is nobody to meet: die, and let the parent see.
    if (!other.ok()) abort();
    Collect(**other, layout_, *arena);
    return 0;
  });
  Reopen();
  Publish(*index_, layout_, *arena);
  EXPECT_EQ(WaitForChild(collector), 0);
  ExpectNothingStolen(*arena);
}

}  // namespace
}  // namespace oneagent
