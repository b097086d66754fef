#include "cache/inspect/diagnose.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace oneagent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kBoot[] = "boot-now";
constexpr char kTarget[] = "/var/lib/kubelet/pods/uid-1/mount";

VolumeRow MountedVolume(const std::string& id, const std::string& target) {
  VolumeRow row;
  row.id = id;
  row.pod = "web";
  row.namespace_name = "shop";
  row.dynakube = "prod";
  row.target = target;
  row.state = VolumeState::kMounted;
  row.agent_id = "a1";
  row.config_id = "c1";
  row.boot_id = kBoot;
  row.since = absl::FromUnixSeconds(1795341000);
  return row;
}

// A node where everything agrees: one agent, one config, one tenant, one
// mounted volume and one host storage.
NodeFacts HealthyNode() {
  NodeFacts facts;
  facts.now = absl::FromUnixSeconds(1795341600);
  facts.boot_id = kBoot;
  facts.index.status = absl::OkStatus();
  facts.index.reconciled_boot_id = kBoot;
  AgentRow agent;
  agent.id = "a1";
  agent.leases = 1;
  facts.index.agents = {agent};
  ConfigRow config;
  config.id = "c1";
  facts.index.configs = {config};
  TenantRow tenant;
  tenant.dynakube = "prod";
  tenant.agent_id = "a1";
  tenant.state = TenantState::kReady;
  facts.index.tenants = {tenant};
  facts.index.volumes = {MountedVolume("v1", kTarget)};
  facts.uptime = absl::Hours(24);
  facts.disk.data_dir = "/data";
  facts.disk.mode = 0700;
  facts.disk.agents["a1"] = {.tree = true, .manifest = true};
  facts.disk.configs["c1"] = {.tree = true, .manifest = true};
  facts.disk.tenants.emplace("prod", tenant);
  facts.disk.volumes.emplace("v1", MountedVolume("v1", kTarget));
  facts.disk.host_storage["prod"] = {.storage = true, .record = true};
  facts.disk.staging = {{"/data/staging/x.part", absl::Hours(2)}};
  facts.disk.trash = {{"/data/trash/agents/x-0", absl::Minutes(59)}};
  facts.mounts.mounts = {{kTarget, true}};
  facts.socket.path = "/csi/csi.sock";
  facts.socket.state = SocketFacts::State::kLive;
  facts.socket.mode = 0600;
  return facts;
}

std::vector<std::string> ChecksOf(const NodeFacts& facts) {
  std::vector<std::string> checks;
  for (const Finding& finding : Diagnose(facts, DiagnoseLimits())) {
    EXPECT_FALSE(finding.problem.empty()) << finding.check;
    EXPECT_FALSE(finding.advice.empty()) << finding.check;
    checks.push_back(finding.check + " " + finding.subject);
  }
  return checks;
}

TEST(DiagnoseTest, AHealthyNodeHasNoFindings) {
  EXPECT_THAT(ChecksOf(HealthyNode()), IsEmpty());
}

struct Case {
  const char* want;
  std::function<void(NodeFacts&)> damage;
};

void ExpectEach(const std::vector<Case>& cases) {
  for (const Case& it : cases) {
    NodeFacts facts = HealthyNode();
    it.damage(facts);
    EXPECT_THAT(ChecksOf(facts), ElementsAre(it.want));
  }
}

TEST(DiagnoseTest, NamesWhatIsWrongWithTheDataDirectory) {
  ExpectEach({
      {"overlay-unusable /data",
       [](NodeFacts& facts) {
         facts.disk.mounter = MounterState{.boot_id = facts.boot_id,
                                           .refused = {{"legacy", "no"}}};
       }},
      {"disk-write-error /data",
       [](NodeFacts& facts) {
         facts.disk.mounter = MounterState{.boot_id = facts.boot_id,
                                           .mount_api = "layer-fds",
                                           .works = true,
                                           .disk_error = "EIO"};
       }},
      {"data-dir-missing /data",
       [](NodeFacts& it) { it.disk.status = absl::NotFoundError("/data"); }},
      {"data-dir-mode /data", [](NodeFacts& it) { it.disk.mode = 0755; }},
      {"data-dir-owner /data",
       [](NodeFacts& it) { it.disk.owned_by_root = false; }},
      {"data-dir-seen-twice /other",
       [](NodeFacts& it) { it.mounts.other_views = {"/other"}; }},
      {"mount-in-data-dir /data/agents/a1",
       [](NodeFacts& it) { it.mounts.inside = {"/data/agents/a1"}; }},
      {"unreadable /data",
       [](NodeFacts& it) { it.disk.unreadable = {"/data/agents: no"}; }},
      {"disk-space /data", [](NodeFacts& it) { it.disk.free_percent = 9; }},
      {"disk-inodes /data",
       [](NodeFacts& it) { it.disk.free_inodes_percent = 9; }},
      {"staging-leftover /data/staging/y",
       [](NodeFacts& it) {
         it.disk.staging = {{"/data/staging/y", absl::Minutes(61)}};
       }},
      {"staging-leftover /data/staging/y.part",
       [](NodeFacts& it) {
         it.disk.staging = {{"/data/staging/y.part", absl::Hours(25)}};
       }},
      {"trash-leftover /data/trash/volumes/v-0",
       [](NodeFacts& it) {
         it.disk.trash = {{"/data/trash/volumes/v-0", absl::Minutes(61)}};
       }},
      {"mount-table /proc/self/mountinfo",
       [](NodeFacts& it) {
         it.mounts.status = absl::UnavailableError("unreadable");
         it.mounts.mounts.clear();
       }},
  });
}

TEST(DiagnoseTest, NamesWhatIsWrongWithTheIndex) {
  ExpectEach({
      {"index-missing /data/index.db",
       [](NodeFacts& it) { it.index.status = absl::NotFoundError("x"); }},
      {"index-damaged /data/index.db",
       [](NodeFacts& it) { it.index.status = absl::DataLossError("x"); }},
      {"index-other-version /data/index.db",
       [](NodeFacts& it) {
         it.index.status = absl::FailedPreconditionError("x");
       }},
      {"index-unusable /data/index.db",
       [](NodeFacts& it) { it.index.status = absl::UnavailableError("x"); }},
      {"index-not-reconciled /data/index.db",
       [](NodeFacts& it) { it.index.reconciled_boot_id = ""; }},
      {"index-not-reconciled /data/index.db",
       [](NodeFacts& it) { it.index.reconciled_boot_id = "boot-before"; }},
      {"index-set-aside /data/index.db.damaged-1",
       [](NodeFacts& it) { it.disk.set_aside = {"/data/index.db.damaged-1"}; }},
  });
}

TEST(DiagnoseTest, NamesWhatIsWrongWithTheSocket) {
  ExpectEach({
      {"socket-missing /csi/csi.sock",
       [](NodeFacts& it) { it.socket.state = SocketFacts::State::kMissing; }},
      {"socket-dead /csi/csi.sock",
       [](NodeFacts& it) { it.socket.state = SocketFacts::State::kDead; }},
      {"socket-foreign /csi/csi.sock",
       [](NodeFacts& it) { it.socket.state = SocketFacts::State::kNotSocket; }},
      {"socket-unreachable /csi/csi.sock",
       [](NodeFacts& it) {
         it.socket.state = SocketFacts::State::kUnreachable;
         it.socket.error = "connect: denied";
       }},
      {"socket-mode /csi/csi.sock",
       [](NodeFacts& it) { it.socket.mode = 0755; }},
  });
}

TEST(DiagnoseTest, NamesWhatTheReferenceDriverLeft) {
  ExpectEach({
      {"reference-data /csi/data",
       [](NodeFacts& it) { it.reference.data_dir = "/csi/data"; }},
  });
}

TEST(DiagnoseTest, NamesAgentsAndConfigsThatDoNotMatchTheirRows) {
  ExpectEach({
      {"agent-without-tree agents/a1",
       [](NodeFacts& it) { it.disk.agents.clear(); }},
      {"agent-without-row agents/a2",
       [](NodeFacts& it) {
         it.disk.agents["a2"] = {.tree = true, .manifest = true};
       }},
      {"agent-tree-without-manifest agents/a1",
       [](NodeFacts& it) { it.disk.agents["a1"].manifest = false; }},
      {"agent-tree-without-manifest agents/a2",
       [](NodeFacts& it) { it.disk.agents["a2"].tree = true; }},
      {"agent-manifest-without-tree agents/a2",
       [](NodeFacts& it) { it.disk.agents["a2"].manifest = true; }},
      {"agent-manifest-damaged agents/a1",
       [](NodeFacts& it) { it.disk.agents["a1"].manifest_error = "no JSON"; }},
      {"agent-state agents/a1",
       [](NodeFacts& it) { it.index.agents[0].state = TreeState::kMissing; }},
      {"config-without-tree configs/c1",
       [](NodeFacts& it) { it.disk.configs.clear(); }},
      {"config-without-row configs/c2",
       [](NodeFacts& it) {
         it.disk.configs["c2"] = {.tree = true, .manifest = true};
       }},
      {"config-tree-without-manifest configs/c1",
       [](NodeFacts& it) { it.disk.configs["c1"].manifest = false; }},
      {"config-manifest-damaged configs/c1",
       [](NodeFacts& it) { it.disk.configs["c1"].manifest_error = "bad"; }},
  });
}

TEST(DiagnoseTest, NamesTenantsThatDoNotMatchTheirRecords) {
  ExpectEach({
      {"tenant-without-record tenants/prod",
       [](NodeFacts& it) { it.disk.tenants.clear(); }},
      {"tenant-without-row tenants/prod",
       [](NodeFacts& it) { it.index.tenants.clear(); }},
      {"tenant-record-damaged tenants/prod",
       [](NodeFacts& it) {
         it.disk.tenants.at("prod") = absl::InvalidArgumentError("bad");
       }},
      {"tenant-record-differs tenants/prod",
       [](NodeFacts& it) { it.disk.tenants.at("prod")->agent_id = "a0"; }},
      {"tenant-failed tenants/prod",
       [](NodeFacts& it) {
         it.index.tenants[0].state = TenantState::kFailed;
         it.index.tenants[0].reason = "401 from the tenant";
         it.disk.tenants.at("prod")->state = TenantState::kFailed;
       }},
      {"tenant-waiting tenants/prod",
       [](NodeFacts& it) {
         it.index.tenants[0].state = TenantState::kWaiting;
         it.index.tenants[0].reason = "Secret default/prod: not found (tokens)";
         it.index.tenants[0].updated_at = it.now - absl::Minutes(11);
         it.disk.tenants.at("prod")->state = TenantState::kWaiting;
       }},
      {"dynakubes-unknown tenants",
       [](NodeFacts& it) {
         it.index.source_trouble = "nothing is collected while …";
       }},
  });
}

TEST(DiagnoseTest, NamesVolumesThatDoNotMatchRecordsAndMounts) {
  ExpectEach({
      {"volume-without-record volumes/v1",
       [](NodeFacts& it) { it.disk.volumes.clear(); }},
      {"volume-without-row volumes/v1",
       [](NodeFacts& it) { it.index.volumes.clear(); }},
      {"volume-record-damaged volumes/v1",
       [](NodeFacts& it) {
         it.disk.volumes.at("v1") = absl::InvalidArgumentError("bad");
       }},
      {"volume-record-differs volumes/v1",
       [](NodeFacts& it) { it.disk.volumes.at("v1")->agent_id = "a0"; }},
      {"volume-not-mounted volumes/v1",
       [](NodeFacts& it) { it.mounts.mounts.clear(); }},
      {"volume-foreign-mount volumes/v1",
       [](NodeFacts& it) { it.mounts.mounts[0].ours = false; }},
      {"volume-stacked volumes/v1",
       [](NodeFacts& it) {
         it.mounts.mounts.push_back({kTarget, true});
       }},
      {"mount-below-volume volumes/v1",
       [](NodeFacts& it) { it.mounts.below[kTarget] = {"/x"}; }},
      {"volume-of-earlier-boot volumes/v1",
       [](NodeFacts& it) { it.index.volumes[0].boot_id = "boot-before"; }},
      {"mount-without-record /elsewhere",
       [](NodeFacts& it) {
         it.mounts.mounts.push_back({"/elsewhere", true});
       }},
      {"host-storage-without-record host/prod",
       [](NodeFacts& it) { it.disk.host_storage["prod"].record = false; }},
      {"host-record-without-storage host/prod",
       [](NodeFacts& it) { it.disk.host_storage["prod"].storage = false; }},
      {"volume-without-storage volumes/v1",
       [](NodeFacts& it) {
         it.index.volumes[0].mode = VolumeMode::kHost;
         it.index.volumes[0].host_storage = "gone";
       }},
  });
}

void SetState(NodeFacts& facts, VolumeState state) {
  facts.index.volumes[0].state = state;
  facts.index.volumes[0].reason = "no agent yet";
  facts.disk.volumes.at("v1")->state = state;
  facts.mounts.mounts.clear();
}

TEST(DiagnoseTest, NamesPodsThatStartedWithoutAnAgentOrDoNotGetOn) {
  ExpectEach({
      {"volume-empty volumes/v1",
       [](NodeFacts& it) { SetState(it, VolumeState::kEmpty); }},
      {"volume-waiting volumes/v1",
       [](NodeFacts& it) {
         SetState(it, VolumeState::kWaiting);
         it.index.volumes[0].first_failure_at = it.now - absl::Minutes(2);
       }},
      {"volume-mounting volumes/v1",
       [](NodeFacts& it) {
         SetState(it, VolumeState::kMounting);
         it.index.volumes[0].since = it.now - absl::Minutes(2);
       }},
  });
}

TEST(DiagnoseTest, WhatHasOnlyJustBegunIsNoFinding) {
  NodeFacts waiting = HealthyNode();
  SetState(waiting, VolumeState::kWaiting);
  waiting.index.volumes[0].first_failure_at = waiting.now - absl::Seconds(59);
  waiting.disk.volumes.clear();
  EXPECT_THAT(ChecksOf(waiting), IsEmpty());
  NodeFacts mounting = HealthyNode();
  SetState(mounting, VolumeState::kMounting);
  mounting.index.volumes[0].since = mounting.now;
  EXPECT_THAT(ChecksOf(mounting), IsEmpty());
  NodeFacts mounted = HealthyNode();
  mounted.disk.volumes.at("v1")->state = VolumeState::kMounting;
  EXPECT_THAT(ChecksOf(mounted), IsEmpty());
}

TEST(DiagnoseTest, TargetsAreComparedAsTheKernelNamesThem) {
  NodeFacts facts = HealthyNode();
  facts.mounts.mounts = {{"/real/pods/uid-1/mount", true}};
  facts.mounts.resolved[kTarget] = "/real/pods/uid-1/mount";
  EXPECT_THAT(ChecksOf(facts), IsEmpty());
}

TEST(DiagnoseTest, WithoutAnIndexTheDiskIsNotCalledWrong) {
  NodeFacts facts = HealthyNode();
  facts.index = IndexFacts();
  facts.index.status = absl::NotFoundError("no such file");
  EXPECT_THAT(ChecksOf(facts), ElementsAre("index-missing /data/index.db"));
}

TEST(DiagnoseTest, ProblemsNameThePod) {
  NodeFacts facts = HealthyNode();
  facts.mounts.mounts.clear();
  const std::vector<Finding> findings = Diagnose(facts, DiagnoseLimits());
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].problem,
            "pod shop/web: nothing is mounted at "
            "/var/lib/kubelet/pods/uid-1/mount");
}

TEST(PersistingTest, KeepsOnlyWhatWasSeenTwice) {
  const Finding stays{"a", "1", "before", ""};
  const Finding stays_now{"a", "1", "now", ""};
  const Finding goes{"a", "2", "", ""};
  const Finding comes{"b", "1", "", ""};
  EXPECT_THAT(Persisting({stays, goes}, {stays_now, comes}),
              ElementsAre(stays_now));
}

}  // namespace
}  // namespace oneagent
