#include "cache/index/layout.h"

#include <sys/stat.h>

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/durable_file.h"
#include "base/status_macros.h"

namespace oneagent {
namespace {

constexpr mode_t kPrivate = 0700;
// Containers without any capability look into it through the overlay.
constexpr mode_t kPublic = 0755;

}  // namespace

Layout::Layout(std::string data_dir) : data_dir_(std::move(data_dir)) {
  while (data_dir_.size() > 1 && data_dir_.back() == '/') data_dir_.pop_back();
}

std::string Layout::IndexFile() const {
  return absl::StrCat(data_dir_, "/index.db");
}
std::string Layout::IndexLock() const {
  return absl::StrCat(data_dir_, "/index.lock");
}
std::string Layout::MounterRecord() const {
  return absl::StrCat(data_dir_, "/mounter.json");
}

std::string Layout::AgentsDir() const {
  return absl::StrCat(data_dir_, "/agents");
}
std::string Layout::AgentTree(absl::string_view id) const {
  return absl::StrCat(AgentsDir(), "/", id);
}
std::string Layout::AgentManifest(absl::string_view id) const {
  return absl::StrCat(AgentTree(id), ".json");
}
std::string Layout::ConfigsDir() const {
  return absl::StrCat(data_dir_, "/configs");
}
std::string Layout::ConfigTree(absl::string_view id) const {
  return absl::StrCat(ConfigsDir(), "/", id);
}
std::string Layout::ConfigManifest(absl::string_view id) const {
  return absl::StrCat(ConfigTree(id), ".json");
}
std::string Layout::TenantsDir() const {
  return absl::StrCat(data_dir_, "/tenants");
}
std::string Layout::TenantRecord(absl::string_view dynakube) const {
  return absl::StrCat(TenantsDir(), "/", dynakube, ".json");
}

std::string Layout::VolumesDir() const {
  return absl::StrCat(data_dir_, "/volumes");
}
std::string Layout::VolumeDir(absl::string_view volume_id) const {
  return absl::StrCat(VolumesDir(), "/", volume_id);
}
std::string Layout::VolumeRecord(absl::string_view volume_id) const {
  return absl::StrCat(VolumeDir(volume_id), "/volume.json");
}
std::string Layout::VolumePodLayer(absl::string_view volume_id) const {
  return absl::StrCat(VolumeDir(volume_id), "/pod");
}
std::string Layout::VolumeUpper(absl::string_view volume_id) const {
  return absl::StrCat(VolumeDir(volume_id), "/upper");
}
std::string Layout::VolumeWork(absl::string_view volume_id) const {
  return absl::StrCat(VolumeDir(volume_id), "/work");
}
std::string Layout::HostDir() const { return absl::StrCat(data_dir_, "/host"); }
std::string Layout::HostStorage(absl::string_view name) const {
  return absl::StrCat(HostDir(), "/", name);
}
std::string Layout::HostRecord(absl::string_view name) const {
  return absl::StrCat(HostStorage(name), ".json");
}
std::string Layout::SkeletonDir() const {
  return absl::StrCat(data_dir_, "/skeleton");
}

std::string Layout::StagingDir() const {
  return absl::StrCat(data_dir_, "/staging");
}
std::string Layout::StagingPart(absl::string_view id) const {
  return absl::StrCat(StagingTree(id), ".part");
}
std::string Layout::StagingTree(absl::string_view id) const {
  return absl::StrCat(StagingDir(), "/", id);
}
std::string Layout::TrashAgents() const {
  return absl::StrCat(data_dir_, "/trash/agents");
}
std::string Layout::TrashVolumes() const {
  return absl::StrCat(data_dir_, "/trash/volumes");
}

std::string Layout::ProbeDir() const {
  return absl::StrCat(VolumesDir(), "/.probe");
}

absl::Status Layout::Prepare(Owner owner) const {
  RETURN_IF_ERROR(EnsureDirectory(data_dir_, kPrivate));
  RETURN_IF_ERROR(EnsureDirectory(absl::StrCat(data_dir_, "/trash"), kPrivate));
  switch (owner) {
    case Owner::kMounter:
      for (const std::string& path :
           {VolumesDir(), HostDir(), TrashVolumes()}) {
        RETURN_IF_ERROR(EnsureDirectory(path, kPrivate));
      }
      return EnsureDirectory(SkeletonDir(), kPublic);
    case Owner::kProvisioner:
      for (const std::string& path : {AgentsDir(), ConfigsDir(), TenantsDir(),
                                      StagingDir(), TrashAgents()}) {
        RETURN_IF_ERROR(EnsureDirectory(path, kPrivate));
      }
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

bool IsVolumeId(absl::string_view text) {
  if (text.empty() || text.size() > 128 || text.front() == '.') return false;
  for (const char c : text) {
    const bool allowed = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                         c == '.' || c == '_' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

bool IsDns1035Label(absl::string_view text) {
  if (text.empty() || text.size() > 63) return false;
  for (const char c : text) {
    const bool allowed = absl::ascii_islower(static_cast<unsigned char>(c)) ||
                         absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                         c == '-';
    if (!allowed) return false;
  }
  return absl::ascii_islower(static_cast<unsigned char>(text.front())) &&
         text.back() != '-';
}

}  // namespace oneagent
