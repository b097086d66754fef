// An index in a data directory of its own, and the rows the tests tell their
// stories with.
#ifndef TESTS_UNIT_INDEX_INDEX_FIXTURE_H_
#define TESTS_UNIT_INDEX_INDEX_FIXTURE_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "cache/index/index.h"
#include "cache/index/layout.h"
#include "cache/index/records.h"
#include "gtest/gtest.h"
#include "tests/support/leak_check.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace oneagent {

inline constexpr char kBoot[] = "boot-1";

// Seconds after a fixed moment.
inline absl::Time At(int64_t seconds) {
  return absl::FromUnixSeconds(1795341600 + seconds);
}

inline AgentRow AgentOf(const std::string& id, const std::string& version) {
  return AgentRow{.id = id,
                  .kind = "zip",
                  .version = version,
                  .arch = "x86",
                  .flavor = "default",
                  .source = "https://tenant.example/deployment",
                  .digest = "sha256:00",
                  .bytes = 1000,
                  .files = 10,
                  .installed_at = At(0),
                  .last_used_at = At(0)};
}

inline ConfigRow ConfigOf(const std::string& id) {
  return ConfigRow{.id = id,
                   .dynakube = "dk",
                   .bytes = 10,
                   .files = 1,
                   .created_at = At(0),
                   .last_used_at = At(0)};
}

inline TenantRow TenantOf(const std::string& dynakube,
                          const std::string& agent_id,
                          const std::string& config_id = "") {
  return TenantRow{.dynakube = dynakube,
                   .namespace_name = "dynatrace",
                   .tenant_uuid = "abc12345",
                   .agent_id = agent_id,
                   .config_id = config_id,
                   .version = "1.2.3",
                   .max_attempts = 7,
                   .state = TenantState::kReady,
                   .updated_at = At(1)};
}

inline VolumeRow VolumeOf(const std::string& id,
                          const std::string& dynakube = "dk") {
  return VolumeRow{.id = id,
                   .pod = "pod-of-" + id,
                   .namespace_name = "shop",
                   .pod_uid = "uid-of-" + id,
                   .dynakube = dynakube,
                   .target = "/var/lib/kubelet/pods/" + id + "/mount",
                   .boot_id = kBoot};
}

class IndexTest : public testing::Test {
 protected:
  struct Rebuild {
    std::string set_aside;
    std::string cause;
  };

  void SetUp() override {
    ASSERT_OK(layout_.Prepare(Owner::kMounter));
    ASSERT_OK(layout_.Prepare(Owner::kProvisioner));
    Reopen();
  }
  void TearDown() override { index_.reset(); }

  Index::Options Options() {
    return {.data_dir = dir_.path(),
            .on_rebuilt = [this](absl::string_view set_aside,
                                 absl::string_view cause) {
              rebuilds_.push_back({std::string(set_aside), std::string(cause)});
            }};
  }
  absl::StatusOr<std::unique_ptr<Index>> OpenAnother() {
    return Index::Open({.data_dir = dir_.path()});
  }
  absl::StatusOr<std::unique_ptr<Index>> OpenReadOnly() {
    return Index::Open({.data_dir = dir_.path(), .read_only = true});
  }
  void Reopen() {
    index_.reset();
    ASSERT_OK_AND_ASSIGN(index_, Index::Open(Options()));
  }

  // A DynaKube "dk" whose agent is a1 and whose config is c1.
  void PutReadyTenant() {
    ASSERT_OK(index_->PutAgent(AgentOf("a1", "1.0")));
    ASSERT_OK(index_->PutConfig(ConfigOf("c1")));
    ASSERT_OK(index_->PutTenant(TenantOf("dk", "a1", "c1")));
  }
  // As its DynaKube's deletion, noted at the beginning, and its collection.
  void DropTenant() {
    TenantRow tenant = TenantOf("dk", "");
    tenant.updated_at = At(0);
    tenant.deleted_at = At(1);
    ASSERT_OK(index_->PutTenant(tenant));
    ASSERT_OK(index_->DeleteTenant("dk"));
  }
  void Reconcile() { ASSERT_OK(index_->SetReconciled(kBoot)); }

  absl::StatusOr<Lease> Acquire(const std::string& volume, int64_t seconds = 10,
                                const std::string& dynakube = "dk") {
    return index_->AcquireLease(
        {.volume = VolumeOf(volume, dynakube), .now = At(seconds)});
  }
  AgentRow Agent(const std::string& id) {
    const auto agent = index_->GetAgent(id);
    EXPECT_THAT(agent, IsOk());
    if (!agent.ok() || !agent->has_value()) {
      ADD_FAILURE() << "no agent " << id;
      return {};
    }
    return **agent;
  }
  VolumeRow Volume(const std::string& id) {
    const auto volume = index_->GetVolume(id);
    EXPECT_THAT(volume, IsOk());
    if (!volume.ok() || !volume->has_value()) {
      ADD_FAILURE() << "no volume " << id;
      return {};
    }
    return **volume;
  }

  LeakCheck leaks_;
  TempDir dir_;
  const Layout layout_{dir_.path()};
  std::vector<Rebuild> rebuilds_;
  std::unique_ptr<Index> index_;
};

}  // namespace oneagent

#endif  // TESTS_UNIT_INDEX_INDEX_FIXTURE_H_
