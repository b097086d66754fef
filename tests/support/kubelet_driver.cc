#include "tests/support/kubelet_driver.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/sha256.h"
#include "tests/support/kubelet_disk.h"

namespace oneagent {
namespace {

KubeletOutcome Transient(absl::Status status) {
  return {.verdict = CallVerdict::kTransient, .status = std::move(status)};
}

std::string ParentOf(const std::string& target) {
  return target.substr(0, target.rfind('/'));
}

VolumeData DataOf(const CsiPublishCall& call, const std::string& volume_name,
                  const std::string& node_name) {
  return {.spec_vol_id = volume_name,
          .volume_handle = call.volume_id,
          .driver_name = kKubeletDriverName,
          .node_name = node_name,
          .attachment_id = absl::StrCat(
              "csi-", Sha256Hex(absl::StrCat(call.volume_id, kKubeletDriverName,
                                             node_name)))};
}

}  // namespace

CsiDriverCalls CallsTo(const std::string& socket, absl::Duration timeout) {
  // Shared by the functions: who copies one keeps its client.
  const auto client = std::make_shared<TestCsiClient>(
      socket, TestCsiClient::Connections::kOnePerCall);
  client->SetTimeout(timeout);
  return {
      .get_capabilities =
          [client] { return client->GetNodeCapabilities().status(); },
      .publish =
          [client](const CsiPublishCall& call) {
            return client->Publish(call);
          },
      .unpublish =
          [client](const std::string& volume_id, const std::string& target) {
            return client->Unpublish(volume_id, target);
          },
      .get_stats =
          [client](const std::string& volume_id, const std::string& path) {
            return client->GetVolumeStats(volume_id, path);
          },
      .cancel_all = [client] { client->CancelAll(); }};
}

KubeletOutcome SetUpVolume(const CsiDriverCalls& driver,
                           const CsiPublishCall& call,
                           const std::string& volume_name,
                           const std::string& node_name) {
  MakeKubeletDirs(call.target_path);
  // Can it set a volume's group?
  absl::Status asked = driver.get_capabilities();
  if (!asked.ok()) return Transient(asked);
  asked = SaveVolumeData(ParentOf(call.target_path),
                         DataOf(call, volume_name, node_name));
  // Does it know SINGLE_NODE_MULTI_WRITER?
  if (asked.ok()) asked = driver.get_capabilities();
  if (!asked.ok()) return Transient(asked);
  KubeletOutcome outcome{.status = driver.publish(call), .called = true};
  outcome.verdict = JudgePublish(outcome.status);
  if (outcome.verdict == CallVerdict::kFinal) {
    // A failure of this is logged and no more.
    (void)RemoveMountDir(call.target_path);
  }
  return outcome;
}

KubeletOutcome TearDownVolume(const CsiDriverCalls& driver,
                              const std::string& target) {
  const absl::StatusOr<VolumeData> data = LoadVolumeData(ParentOf(target));
  if (!data.ok()) return Transient(data.status());
  KubeletOutcome outcome{
      .status = driver.unpublish(data->volume_handle, target), .called = true};
  if (outcome.status.ok()) outcome.status = RemoveMountDir(target);
  outcome.verdict =
      outcome.status.ok() ? CallVerdict::kDone : CallVerdict::kUncertain;
  return outcome;
}

KubeletOutcome DriverUnknown() {
  return Transient(absl::UnavailableError(
      absl::StrCat("driver name ", kKubeletDriverName,
                   " not found in the list of registered CSI drivers")));
}

}  // namespace oneagent
