#include "tests/unit/store/store_fixture.h"

#include <unistd.h>

#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/sha256.h"
#include "cache/index/records.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

// Ids of all trees in `parent`, each with a manifest and as that says.
template <typename Verify>
std::set<std::string> VerifiedTrees(const std::string& parent,
                                    const Verify& verify) {
  std::set<std::string> trees;
  std::set<std::string> manifests;
  const auto names = ListDirectory(parent);
  EXPECT_OK(names);
  if (!names.ok()) return trees;
  for (const std::string& name : *names) {
    if (absl::EndsWith(name, ".json")) {
      manifests.insert(name.substr(0, name.size() - 5));
    } else {
      trees.insert(name);
    }
  }
  EXPECT_EQ(trees, manifests) << parent;
  for (const std::string& id : trees) {
    EXPECT_THAT(verify(id), IsOkAndHolds(testing::IsEmpty())) << id;
  }
  return trees;
}

template <typename Rows>
std::set<std::string> ReadyIds(const absl::StatusOr<Rows>& rows) {
  std::set<std::string> ids;
  EXPECT_OK(rows);
  if (!rows.ok()) return ids;
  for (const auto& row : *rows) {
    if (row.state == TreeState::kReady) ids.insert(row.id);
  }
  return ids;
}

}  // namespace

StoreFixture::StoreFixture() : layout_(dir_.Path("data")) {
  EXPECT_OK(layout_.Prepare(Owner::kProvisioner));
  Reopen();
}

void StoreFixture::Reopen() {
  store_.reset();
  index_.reset();
  auto index = Index::Open({.data_dir = layout_.data_dir()});
  ASSERT_OK(index);
  index_ = *std::move(index);
  store_ = std::make_unique<Store>(layout_, *index_, clock_, kBootId);
}

void StoreFixture::LoseIndex() {
  store_.reset();
  index_.reset();
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    ASSERT_OK(RemoveFileIfPresent(absl::StrCat(layout_.IndexFile(), suffix)));
  }
  Reopen();
}

AgentIdentity StoreFixture::Identity(const std::string& version) {
  return {.kind = "zip",
          .version = version,
          .arch = "x86",
          .flavor = "multidistro"};
}

std::string StoreFixture::IdOf(const std::string& version) {
  return AgentId(Identity(version));
}

ArchiveBuilder StoreFixture::AgentArchive(const std::string& version) {
  ArchiveBuilder archive;
  archive.File("agent/version", version)
      .File("agent/lib64/liboneagentproc.so", "elf", 0755)
      .File("agent/conf/ruxitagentproc.conf", "[general]\nkey value\n")
      .File(absl::StrCat("agent/bin/", version, "/tool"), "x", 0755)
      .Symlink("agent/link", "lib64/liboneagentproc.so");
  return archive;
}

std::string StoreFixture::StagedPath(const std::string& version) const {
  return layout_.StagingPart(IdOf(version));
}

StagedArchive StoreFixture::Stage(const std::string& version,
                                  const ArchiveBuilder& archive,
                                  ArchiveFormat format) const {
  const std::string path = StagedPath(version);
  archive.Write(format, path);
  return {.path = path,
          .source = absl::StrCat("https://tenant/", version),
          .sha256 = Sha256Hex(ReadTestFile(path))};
}

absl::StatusOr<AgentRow> StoreFixture::Install(const std::string& version) {
  return store_->InstallAgent(Identity(version),
                              Stage(version, AgentArchive(version)), nullptr);
}

absl::StatusOr<ConfigRow> StoreFixture::InstallConf(
    const std::string& content) {
  return store_->InstallConfig("dk", {{kProcessConfPath, content}});
}

absl::Status StoreFixture::SetCurrent(const std::string& dynakube,
                                      const std::string& agent_id,
                                      const std::string& config_id) {
  const TenantRow row = {.dynakube = dynakube,
                         .namespace_name = "dynatrace",
                         .agent_id = agent_id,
                         .config_id = config_id,
                         .state = TenantState::kReady,
                         .updated_at = clock_.Now()};
  absl::Status status = WriteTenantRecord(layout_, row);
  status.Update(index_->PutTenant(row));
  return status;
}

absl::StatusOr<Lease> StoreFixture::AcquireLease(const std::string& volume,
                                                 const std::string& dynakube) {
  return index_->AcquireLease({.volume = {.id = volume,
                                          .pod = "pod",
                                          .namespace_name = "ns",
                                          .pod_uid = "uid",
                                          .dynakube = dynakube,
                                          .target = "/target",
                                          .boot_id = kBootId},
                               .now = clock_.Now()});
}

void StoreFixture::ExpectConsistent() {
  EXPECT_EQ(VerifiedTrees(layout_.AgentsDir(),
                          [this](const std::string& id) {
                            return VerifyAgent(layout_, id);
                          }),
            ReadyIds(index_->ListAgents()));
  EXPECT_EQ(VerifiedTrees(layout_.ConfigsDir(),
                          [this](const std::string& id) {
                            return VerifyConfig(layout_, id);
                          }),
            ReadyIds(index_->ListConfigs()));
  const auto staged = ListDirectory(layout_.StagingDir());
  ASSERT_OK(staged);
  for (const std::string& name : *staged) {
    EXPECT_TRUE(absl::EndsWith(name, ".part")) << name;
  }
}

}  // namespace oneagent
