#include "tests/bench/floor.h"

#include <cstdlib>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/trash.h"
#include "overlay/layer_stack.h"
#include "overlay/mount_probe.h"

namespace oneagent {
namespace {

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "bench: floor: " << status << "\n";
  abort();
}

template <typename T>
T Required(absl::StatusOr<T> value) {
  Require(value.status());
  return *std::move(value);
}

}  // namespace

Floor::Floor(BenchNode& node)
    : node_(node),
      mounter_(Required(ProbeMounts(node.layout().ProbeDir(),
                                    node.layout().SkeletonDir(),
                                    node.layout().VolumesDir()))
                   .api),
      targets_(Required(
          TargetResolver::Open(node.kubelet_dir(), TargetCheck::kKubelet))) {}

void Floor::Publish(const CsiPublishCall& call) {
  const Layout& layout = node_.layout();
  const std::string& id = call.volume_id;
  const ResolvedTarget target = Required(targets_->Resolve(call.target_path));
  Required(mounter_.IsMounted(target.target()));
  Require(EnsureDirectory(layout.VolumeDir(id), 0700));
  Require(EnsureDirectory(layout.VolumeUpper(id), 0777));
  Require(EnsureDirectory(layout.VolumeWork(id), 0700));
  Require(WriteFileAtomically(layout.VolumeRecord(id), std::string(500, 'x'),
                              0600, Durability::kNoSync));
  Require(MakeTarget(target.target()));
  const OverlayPlan plan =
      Required(PlanOverlay({.lower = {layout.ConfigTree(node_.config_id()),
                                      layout.AgentTree(node_.agent_id())},
                            .upper = layout.VolumeUpper(id),
                            .work = layout.VolumeWork(id)},
                           layout.SkeletonDir()));
  Require(mounter_.MountOverlay(plan, target.target()));
  Required(mounter_.IsMounted(target.target()));
}

void Floor::Unpublish(const CsiPublishCall& call) {
  const Layout& layout = node_.layout();
  const ResolvedTarget target = Required(targets_->Resolve(call.target_path));
  Require(mounter_.Unmount(target.target()));
  Require(RemoveTarget(target.target()));
  Require(MoveToTrash(layout.VolumeDir(call.volume_id), layout.TrashVolumes()));
}

}  // namespace oneagent
