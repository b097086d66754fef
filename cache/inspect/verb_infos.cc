// The help of every verb.
#include <string>
#include <vector>

#include "cache/inspect/invocation.h"

namespace oneagent {
namespace {

VerbInfo ShowInfo() {
  return {.name = "show",
          .arguments = "ID",
          .summary = "everything about one agent, config, volume or tenant",
          .details =
              "ID is an agent's or config's id, a volume's id or a DynaKube's\n"
              "name; the beginning is enough where it is unique. TYPE/ID\n"
              "(agent/…, config/…, volume/…, tenant/…) says which is meant.\n",
          .examples =
              "  oneagent-csi show 3f2a\n"
              "  oneagent-csi show tenant/prod\n"
              "  oneagent-csi -o json show csi-8c1d0e\n",
          .flags = {},
          .min_words = 1,
          .max_words = 1};
}

VerbInfo VerifyInfo() {
  return {.name = "verify",
          .arguments = "[ID]",
          .summary = "hash what is on disk and compare with the manifests",
          .details =
              "Reads every file of every agent and config, or of the "
              "one named.\nExit code 1 when anything differs.\n",
          .examples =
              "  oneagent-csi verify\n"
              "  oneagent-csi verify 3f2a91c07be4d855\n",
          .flags = {},
          .max_words = 1};
}

VerbInfo DuInfo() {
  return {
      .name = "du",
      .summary = "disk space: what is shared, what is a pod's own",
      .details =
          "Agents and configs count once, by the size of their files. What\n"
          "pods wrote is measured on disk (allocated blocks), which wants\n"
          "the mounter's container or root. The last lines compare with a\n"
          "copy for each pod.\n",
      .examples =
          "  oneagent-csi du\n"
          "  oneagent-csi -o json du\n"};
}

VerbInfo GcInfo() {
  return {
      .name = "gc",
      .arguments = "--dry-run|--now",
      .summary = "collect agents and configs that nothing uses",
      .details =
          "--dry-run prints the plan and changes nothing. --now removes\n"
          "what is planned and empties the provisioner's trash; it wants\n"
          "root. What a volume leases is never removed. Nothing is\n"
          "collected until the mounter has reconciled in this boot.\n"
          "The provisioner does the same by itself, with its own flags.\n"
          "(With --grace-period 0s, an agent that it is just installing may\n"
          "be taken from it; it installs that again.)\n",
      .examples =
          "  oneagent-csi gc --dry-run\n"
          "  oneagent-csi gc --now --grace-period 0s "
          "--keep-versions 0\n",
      .flags = {"dry-run", "now", "grace-period", "keep-versions"}};
}

VerbInfo DoctorInfo() {
  return {
      .name = "doctor",
      .summary = "compare index, disk, mount table and socket",
      .details =
          "Prints each mismatch with what to do about it; exit code 1 if\n"
          "there is any. What only passes by (a volume being mounted while\n"
          "doctor looks) is looked at twice. Run it where the kubelet's\n"
          "mounts are visible: in the mounter's container or on the node.\n",
      .examples =
          "  oneagent-csi doctor\n"
          "  oneagent-csi -o json doctor --endpoint "
          "unix:///run/mounter/csi.sock\n",
      .flags = {"endpoint", "min-free"}};
}

VerbInfo ProbeInfo() {
  return {.name = "probe",
          .summary = "ask the mounter whether it is ready",
          .examples =
              "  oneagent-csi probe\n"
              "  oneagent-csi probe --endpoint unix:///csi/csi.sock\n",
          .flags = {"endpoint", "timeout"}};
}

VerbInfo PublishInfo() {
  return {.name = "publish",
          .summary = "publish a volume, as kubelet would",
          .details =
              "Speaks CSI to the mounter, for people without kubelet. Makes\n"
              "the target's parent directories, as kubelet does. A refusal is\n"
              "printed as CODE: message.\n",
          .examples =
              "  oneagent-csi publish --volume-id csi-1 --dynakube prod \\\n"
              "    --pod web --namespace shop --pod-uid 6f1c \\\n"
              "    --target /var/lib/kubelet/pods/6f1c/volumes/"
              "kubernetes.io~csi/agent/mount\n",
          .flags = {"endpoint", "timeout", "volume-id", "target", "pod",
                    "namespace", "pod-uid", "dynakube", "mode", "read-only",
                    "retry-timeout", "attribute"}};
}

VerbInfo UnpublishInfo() {
  return {.name = "unpublish",
          .summary = "unpublish a volume, as kubelet would",
          .details = "What the pod wrote into the volume is deleted.\n",
          .examples =
              "  oneagent-csi unpublish --volume-id csi-1 \\\n"
              "    --target /var/lib/kubelet/pods/6f1c/volumes/"
              "kubernetes.io~csi/agent/mount\n",
          .flags = {"endpoint", "timeout", "volume-id", "target"}};
}

}  // namespace

std::vector<VerbInfo> VerbInfos() {
  return {{.name = "agents",
           .summary = "agent versions in the cache",
           .examples = "  oneagent-csi agents\n"
                       "  oneagent-csi -o json agents\n"},
          {.name = "volumes",
           .summary = "volumes of this node's pods, and how they fare",
           .examples = "  oneagent-csi volumes\n"
                       "  oneagent-csi -o json volumes\n"},
          {.name = "tenants",
           .summary = "DynaKubes and the agent that new pods of them get",
           .examples = "  oneagent-csi tenants\n"
                       "  oneagent-csi -o json tenants\n"},
          ShowInfo(),
          VerifyInfo(),
          DuInfo(),
          GcInfo(),
          DoctorInfo(),
          ProbeInfo(),
          PublishInfo(),
          UnpublishInfo()};
}

}  // namespace oneagent
