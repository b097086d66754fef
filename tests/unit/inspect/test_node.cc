#include "tests/unit/inspect/test_node.h"

#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "base/boot_id.h"
#include "base/durable_file.h"
#include "cache/index/records.h"
#include "cache/inspect/cli.h"
#include "cache/store/unpack.h"
#include "gtest/gtest.h"
#include "proto/json.h"
#include "proto/manifest.pb.h"
#include "tests/support/status_matchers.h"

namespace oneagent {
namespace {

google::protobuf::Timestamp Stamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  stamp.set_seconds(absl::ToUnixSeconds(time));
  return stamp;
}

// Describes the tree at `root` into `manifest` and writes it to `path`.
template <typename Manifest>
void WriteManifest(const std::string& root, const std::string& path,
                   Manifest* manifest) {
  absl::StatusOr<UnpackedTree> tree = DescribeTree(root);
  ASSERT_TRUE(tree.ok()) << tree.status();
  manifest->set_bytes(tree->bytes);
  manifest->set_files(tree->files);
  for (v1::TreeEntry& entry : tree->entries) {
    *manifest->add_tree() = std::move(entry);
  }
  ASSERT_OK(WriteFileAtomically(path, PrintJson(*manifest), 0600,
                                Durability::kNoSync));
}

}  // namespace

TestNode::TestNode() : layout_(dir_.Path("data")) {
  clock_.Set(absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now())));
  const absl::StatusOr<std::string> boot_id = ReadBootId();
  EXPECT_OK(boot_id);
  boot_id_ = *boot_id;
  EXPECT_OK(layout_.Prepare(Owner::kMounter));
  EXPECT_OK(layout_.Prepare(Owner::kProvisioner));
  absl::StatusOr<std::unique_ptr<Index>> index =
      Index::Open({.data_dir = layout_.data_dir(), .on_rebuilt = nullptr});
  EXPECT_OK(index);
  index_ = *std::move(index);
}

TestNode::~TestNode() {
  std::reverse(mounts_.begin(), mounts_.end());
  for (const std::string& path : mounts_) umount(path.c_str());
}

void TestNode::MakeHealthy() {
  AddAgent("a100000000000000", "1.301.0");
  AddConfig("c100000000000000");
  AddTenant("prod", "a100000000000000", "c100000000000000");
  AddVolume("csi-1", "prod");
  ASSERT_OK(index_->SetReconciled(boot_id_));
  Listen();
}

AgentRow TestNode::AddAgent(const std::string& id, const std::string& version) {
  const std::string tree = "data/agents/" + id;
  dir_.WriteFile(tree + "/agent/lib64/liboneagentproc.so", version);
  dir_.WriteFile(tree + "/agent/conf/ruxitagentproc.conf", "[general]\n");
  v1::AgentManifest manifest;
  manifest.set_id(id);
  manifest.set_kind("zip");
  manifest.set_version(version);
  manifest.set_arch("x86");
  manifest.set_flavor("default");
  manifest.set_source("https://tenant.example/api");
  manifest.set_digest("sha256:00");
  *manifest.mutable_installed_at() = Stamp(clock_.Now());
  WriteManifest(layout_.AgentTree(id), layout_.AgentManifest(id), &manifest);
  const absl::StatusOr<AgentRow> row = ReadAgentRecord(layout_, id);
  EXPECT_OK(row);
  EXPECT_OK(index_->PutAgent(*row));
  return *row;
}

ConfigRow TestNode::AddConfig(const std::string& id) {
  dir_.WriteFile("data/configs/" + id + "/agent/conf/ruxitagentproc.conf",
                 "[general]\ntenant abc\n");
  v1::ConfigManifest manifest;
  manifest.set_id(id);
  manifest.set_dynakube("prod");
  *manifest.mutable_created_at() = Stamp(clock_.Now());
  WriteManifest(layout_.ConfigTree(id), layout_.ConfigManifest(id), &manifest);
  const absl::StatusOr<ConfigRow> row = ReadConfigRecord(layout_, id);
  EXPECT_OK(row);
  EXPECT_OK(index_->PutConfig(*row));
  return *row;
}

TenantRow TestNode::AddTenant(const std::string& dynakube,
                              const std::string& agent,
                              const std::string& config) {
  TenantRow row;
  row.dynakube = dynakube;
  row.namespace_name = "dynatrace";
  row.tenant_uuid = "abc12345";
  row.agent_id = agent;
  row.config_id = config;
  row.version = "1.301.0";
  row.state = TenantState::kReady;
  row.updated_at = clock_.Now();
  EXPECT_OK(WriteTenantRecord(layout_, row));
  EXPECT_OK(index_->PutTenant(row));
  return row;
}

VolumeRow TestNode::AddVolume(const std::string& id,
                              const std::string& dynakube) {
  const absl::StatusOr<std::optional<TenantRow>> tenant =
      index_->GetTenant(dynakube);
  EXPECT_OK(tenant);
  VolumeRow row;
  row.id = id;
  row.pod = "web";
  row.namespace_name = "shop";
  row.pod_uid = "uid-" + id;
  row.dynakube = dynakube;
  row.target = Target(id);
  row.state = VolumeState::kMounted;
  row.agent_id = (*tenant)->agent_id;
  row.config_id = (*tenant)->config_id;
  row.boot_id = boot_id_;
  row.since = clock_.Now();
  EXPECT_OK(index_->PutVolume(row));
  dir_.MakeDir("data/volumes/" + id + "/upper");
  EXPECT_OK(WriteVolumeRecord(layout_, row));
  MountOurs(row.target);
  return row;
}

void TestNode::Listen() {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  socket_path().copy(address.sun_path, sizeof(address.sun_path) - 1);
  listener_.Reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(fchmod(listener_.get(), 0600), 0);
  ASSERT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address),
                 sizeof(address)),
            0);
  ASSERT_EQ(listen(listener_.get(), 8), 0);
}

void TestNode::MountOurs(const std::string& path) {
  ASSERT_EQ(path.rfind(dir_.path(), 0), 0u);
  dir_.MakeDir(path.substr(dir_.path().size() + 1));
  ASSERT_EQ(mount("oneagent-csi", path.c_str(), "tmpfs", MS_NOSUID | MS_NODEV,
                  "size=4096"),
            0);
  mounts_.push_back(path);
}

void TestNode::Unmount(const std::string& path) {
  ASSERT_EQ(umount(path.c_str()), 0);
  mounts_.erase(std::find(mounts_.begin(), mounts_.end(), path));
}

CliResult TestNode::Run(std::vector<std::string> words) {
  std::ostringstream out;
  CliResult result = RunInto(out, std::move(words));
  result.out = out.str();
  return result;
}

CliResult TestNode::RunInto(std::ostream& out, std::vector<std::string> words) {
  words.insert(words.begin(),
               {"oneagent-csi", "--data-dir", layout_.data_dir()});
  if (words[3] == "doctor") {
    words.insert(words.end(), {"--endpoint", socket_path(), "--min-free", "0"});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  std::ostringstream err;
  const Console console = {.out = out,
                           .err = err,
                           .clock = clock_,
                           .second_look = absl::ZeroDuration()};
  CliResult result;
  result.code = RunCli("/nonexistent", static_cast<int>(argv.size()),
                       argv.data(), console);
  result.err = err.str();
  return result;
}

}  // namespace oneagent
