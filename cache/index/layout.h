// Every path below the data directory, and nothing else's paths.
//
//   <data>/                    0700 root
//     index.db, index.lock     SQLite index (WAL) and its guard
//     mounter.json             how the mounter mounts, for doctor
//     agents/<id>/             one immutable agent tree
//     agents/<id>.json         its manifest, the commit point
//     configs/<id>/            one immutable configuration layer
//     configs/<id>.json        its manifest
//     tenants/<dynakube>.json  what new pods of this DynaKube get
//     volumes/<volume>/        volume.json, pod/, upper/, work/
//     volumes/.probe/          where the mounter tries how to mount
//     host/<name>/             storage for mode=host; host/<name>.json whose
//     skeleton/                the lowest layer of every overlay
//     staging/                 downloads and trees being unpacked
//     trash/agents             what the provisioner deletes next
//     trash/volumes            what the mounter deletes next
//
// agents, configs, tenants, staging and trash/agents belong to the
// provisioner; mounter.json, volumes, host, skeleton and trash/volumes to the
// mounter: only the owner creates, changes, measures or deletes there. A value
// type, thread-safe.
#ifndef CACHE_INDEX_LAYOUT_H_
#define CACHE_INDEX_LAYOUT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace oneagent {

enum class Owner { kMounter, kProvisioner };

class Layout {
 public:
  // `data_dir` is absolute; a trailing slash is dropped.
  explicit Layout(std::string data_dir);

  const std::string& data_dir() const { return data_dir_; }
  std::string IndexFile() const;
  std::string IndexLock() const;
  std::string MounterRecord() const;

  std::string AgentsDir() const;
  std::string AgentTree(absl::string_view id) const;
  std::string AgentManifest(absl::string_view id) const;
  std::string ConfigsDir() const;
  std::string ConfigTree(absl::string_view id) const;
  std::string ConfigManifest(absl::string_view id) const;
  std::string TenantsDir() const;
  std::string TenantRecord(absl::string_view dynakube) const;

  std::string VolumesDir() const;
  std::string VolumeDir(absl::string_view volume_id) const;
  std::string VolumeRecord(absl::string_view volume_id) const;
  std::string VolumePodLayer(absl::string_view volume_id) const;
  std::string VolumeUpper(absl::string_view volume_id) const;
  std::string VolumeWork(absl::string_view volume_id) const;
  std::string HostDir() const;
  std::string HostStorage(absl::string_view name) const;
  std::string HostRecord(absl::string_view name) const;
  std::string SkeletonDir() const;

  std::string StagingDir() const;
  std::string StagingPart(absl::string_view id) const;  // staging/<id>.part
  std::string StagingTree(absl::string_view id) const;  // staging/<id>
  std::string TrashAgents() const;
  std::string TrashVolumes() const;
  std::string ProbeDir() const;

  // Creates the data directory (0700, also when it exists with another mode)
  // and the directories that `owner` owns (0700; skeleton/ 0755). Idempotent.
  // Errors: PosixStatus, FailedPrecondition for a path of another type.
  absl::Status Prepare(Owner owner) const;

 private:
  std::string data_dir_;
};

// The files of the agent that configuration layers lay over, relative to a
// tree's root.
inline constexpr char kProcessConfPath[] = "agent/conf/ruxitagentproc.conf";

// True for what may be a volume's id and directory name: 1 to 128 characters
// of [A-Za-z0-9._-], not starting with a dot.
bool IsVolumeId(absl::string_view text);

// True for a DNS-1035 label: [a-z]([-a-z0-9]*[a-z0-9])?, at most 63.
bool IsDns1035Label(absl::string_view text);

}  // namespace oneagent

#endif  // CACHE_INDEX_LAYOUT_H_
