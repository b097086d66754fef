#include "tests/unit/index/index_damage.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/durable_file.h"
#include "base/unique_fd.h"

namespace oneagent {
namespace {

void Require(bool ok, const char* what) {
  if (ok) return;
  perror(what);
  abort();
}

void Write(const std::string& path, int64_t offset, const std::string& bytes,
           int flags) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC | flags));
  Require(fd.ok(), path.c_str());
  Require(pwrite(fd.get(), bytes.data(), bytes.size(), offset) ==
              static_cast<ssize_t>(bytes.size()),
          path.c_str());
}

}  // namespace

void Garbage(const std::string& path) {
  Write(path, 0, std::string(20000, 'g'), O_TRUNC);
}

void Truncate(const std::string& path, int64_t size) {
  Require(truncate(path.c_str(), size) == 0, path.c_str());
}

void Scribble(const std::string& path, int64_t offset) {
  struct stat info;
  Require(stat(path.c_str(), &info) == 0, path.c_str());
  Write(path, offset,
        std::string(static_cast<size_t>(info.st_size - offset), '\xff'), 0);
}

void Sql(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  Require(sqlite3_open(path.c_str(), &db) == SQLITE_OK, "sqlite3_open");
  Require(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK, sql);
  Require(sqlite3_close(db) == SQLITE_OK, "sqlite3_close");
}

uint32_t ModeOf(const std::string& path) {
  struct stat info;
  Require(stat(path.c_str(), &info) == 0, path.c_str());
  return info.st_mode & 07777;
}

void DamagedIndexTest::WriteRecords() {
  dir_.MakeDir("agents/a1");
  dir_.WriteFile("agents/a1.json",
                 "{\"id\": \"a1\", \"kind\": \"zip\", \"version\": \"1.0\","
                 " \"bytes\": \"42\", \"files\": \"2\","
                 " \"installedAt\": \"2026-11-22T10:00:00.500Z\"}");
  dir_.WriteFile("agents/a2.json", "{\"id\": \"a2\", \"version\": \"2.0\"}");
  dir_.MakeDir("configs/c1");
  dir_.WriteFile("configs/c1.json", "{\"id\": \"c1\", \"dynakube\": \"dk\"}");
  ASSERT_OK(WriteTenantRecord(layout_, TenantOf("dk", "a1", "c1")));
  TenantRow gone = TenantOf("gone", "a8", "c8");
  gone.deleted_at = At(7);
  ASSERT_OK(WriteTenantRecord(layout_, gone));
  ASSERT_OK(WriteTenantRecord(layout_, TenantOf("lost", "a9")));
}

void DamagedIndexTest::ExpectRowsOfRecords() {
  using testing::AllOf;
  using testing::ElementsAre;
  using testing::Field;
  using testing::UnorderedElementsAre;
  EXPECT_THAT(index_->ListAgents(),
              IsOkAndHolds(UnorderedElementsAre(
                  AllOf(Field(&AgentRow::id, "a1"), Field(&AgentRow::bytes, 42),
                        Field(&AgentRow::state, TreeState::kReady),
                        Field(&AgentRow::is_current, true),
                        Field(&AgentRow::last_used_at,
                              At(0) + absl::Milliseconds(500))),
                  AllOf(Field(&AgentRow::id, "a2"),
                        Field(&AgentRow::state, TreeState::kMissing)),
                  AllOf(Field(&AgentRow::id, "a9"),
                        Field(&AgentRow::state, TreeState::kMissing)))));
  EXPECT_THAT(index_->ListConfigs(),
              IsOkAndHolds(ElementsAre(
                  AllOf(Field(&ConfigRow::id, "c1"),
                        Field(&ConfigRow::state, TreeState::kReady)))));
  TenantRow gone = TenantOf("gone", "");
  gone.deleted_at = At(7);
  EXPECT_THAT(index_->ListTenants(),
              IsOkAndHolds(ElementsAre(TenantOf("dk", "a1", "c1"), gone,
                                       TenantOf("lost", "a9"))));
}

void DamagedIndexTest::RemoveIndex() {
  ASSERT_EQ(unlink(layout_.IndexFile().c_str()), 0);
}

std::vector<std::string> DamagedIndexTest::Names() const {
  const auto names = ListDirectory(dir_.path());
  EXPECT_THAT(names, IsOk());
  return names.value_or(std::vector<std::string>());
}

}  // namespace oneagent
