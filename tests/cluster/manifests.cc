#include "tests/cluster/manifests.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/substitute.h"
#include "tests/cluster/cluster.h"

namespace oneagent {
namespace {

constexpr char kWait[] = "trap 'exit 0' TERM; sleep 1000000 & wait";

// What a pod's spec holds, indented by two blanks.
constexpr char kSpec[] = R"(spec:
  terminationGracePeriodSeconds: 5
  enableServiceLinks: false
  automountServiceAccountToken: false
  containers:
  - name: a
    image: docker.io/test/app:1
    imagePullPolicy: Never
    command: [sh, -c, "$0"]
    securityContext: $1
    env:
    - {name: LD_PRELOAD, value: $2/agent/lib64/liboneagentproc.so}
    volumeMounts:
    - {name: oneagent-bin, mountPath: $2, readOnly: $3}
  volumes:
  - name: oneagent-bin
    csi:
      driver: csi.oneagent.dynatrace.com
      readOnly: $3
      volumeAttributes: {mode: app, dynakube: $4, retryTimeout: "$5"}
)";

// Where the volume is read-only the agent writes to stderr itself.
std::string Command(const AppPod& pod) {
  return absl::StrCat(
      pod.read_only ? ""
                    : absl::StrCat("cat ", kVolumePath, "/log/agent.log; "),
      pod.run, pod.run.empty() ? "" : "; ", kWait);
}

std::string Spec(const AppPod& pod) {
  return absl::Substitute(kSpec, Command(pod),
                          pod.security.empty() ? "{}" : pod.security,
                          kVolumePath, pod.read_only ? "true" : "false",
                          pod.dynakube, pod.retry_timeout);
}

// As part of a workload's template.
std::string Indented(const std::string& text) {
  return absl::StrCat("    ", absl::StrReplaceAll(text, {{"\n", "\n    "}}),
                      "\n");
}

std::string WorkloadHead(const char* kind, const AppPod& pod,
                         const std::string& more) {
  return absl::Substitute(R"(apiVersion: apps/v1
kind: $0
metadata: {name: $1, namespace: $2}
spec:
$3  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
)",
                          kind, pod.name, pod.namespace_name, more);
}

}  // namespace

std::string PodManifest(const AppPod& pod) {
  return absl::Substitute(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: $0, namespace: $1}\n$2",
      pod.name, pod.namespace_name, Spec(pod));
}

std::string NestingPodManifest(const AppPod& pod) {
  const std::string container = absl::Substitute(
      R"(
    image: docker.io/test/app:1
    imagePullPolicy: Never
    env:
    - {name: LD_PRELOAD, value: $0/agent/lib64/liboneagentproc.so}
    volumeMounts:
    - {name: oneagent-bin, mountPath: $0, readOnly: $1}
    - {name: scratch, mountPath: $0/log, subPath: log}
    - {name: scratch, mountPath: $0/datastorage, subPath: datastorage}
    - {name: oneagent-bin, mountPath: /conf, subPath: agent/conf}
    - {name: oneagent-bin, mountPath: /own, subPath: $2}
)",
      kVolumePath, pod.read_only, pod.read_only ? "agent/lib64" : "own/of/a");
  return absl::Substitute(R"(apiVersion: v1
kind: Pod
metadata: {name: $0, namespace: $1}
spec:
  terminationGracePeriodSeconds: 5
  automountServiceAccountToken: false
  initContainers:
  - name: init
    command: [sh, -c, "ls $2/agent /conf /own && touch $2/log/from-init"]$3
  containers:
  - name: a
    command: [sh, -c, "ls /conf /own && rm $2/log/from-init && touch $2/datastorage/x && echo all mounts are there; $4"]$3
  volumes:
  - {name: scratch, emptyDir: {}}
  - name: oneagent-bin
    csi:
      driver: csi.oneagent.dynatrace.com
      readOnly: $5
      volumeAttributes: {mode: app, dynakube: $6, retryTimeout: "$7"}
)",
                          pod.name, pod.namespace_name, kVolumePath, container,
                          kWait, pod.read_only, pod.dynakube,
                          pod.retry_timeout);
}

std::string DeploymentManifest(const AppPod& pod, int replicas) {
  return absl::StrCat(
      WorkloadHead("Deployment", pod,
                   absl::StrCat("  replicas: ", replicas,
                                "\n  strategy: {rollingUpdate: "
                                "{maxUnavailable: 1, maxSurge: 1}}\n")),
      Indented(Spec(pod)));
}

std::string HostDaemonSetManifest(const AppPod& pod) {
  const std::string spec = absl::Substitute(
      R"(spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: a
    image: docker.io/test/app:1
    imagePullPolicy: Never
    command: [sh, -c, "echo started >> /mnt/volume_storage_mount/starts; $0"]
    volumeMounts:
    - {name: volume-storage, mountPath: /mnt/volume_storage_mount}
  volumes:
  - name: volume-storage
    csi:
      driver: csi.oneagent.dynatrace.com
      volumeAttributes: {mode: host, dynakube: $1}
)",
      kWait, pod.dynakube);
  return absl::StrCat(WorkloadHead("DaemonSet", pod, ""), Indented(spec));
}

std::string WebhookPodManifest(const AppPod& pod) {
  return absl::Substitute(R"(apiVersion: v1
kind: Pod
metadata:
  name: $0
  namespace: $1
  annotations:
    oneagent.dynatrace.com/injected: "true"
    dynakube.dynatrace.com/injected: "true"
    metadata-enrichment.dynatrace.com/injected: "true"
    metadata.dynatrace.com: '{"k8s.workload.kind":"pod","k8s.workload.name":"$0"}'
spec:
  terminationGracePeriodSeconds: 5
  initContainers:
  - name: dynatrace-operator
    image: docker.io/test/app:1
    imagePullPolicy: Never
    command:
    - sh
    - -c
    - |
      set -e
      cat /mnt/input/* > /dev/null
      mkdir -p /mnt/config/a/enrichment /mnt/config/a/oneagent/agent/config /mnt/config/oneagent
      echo "k8s.pod.name=$$K8S_PODNAME" > /mnt/config/a/enrichment/dt_metadata.properties
      cat /mnt/bin/agent/conf/ruxitagentproc.conf > /mnt/config/a/oneagent/agent/config/ruxitagentproc.conf
      echo $3/agent/lib64/liboneagentproc.so > /mnt/config/oneagent/ld.so.preload
    env:
    - name: K8S_PODNAME
      valueFrom: {fieldRef: {fieldPath: metadata.name}}
    - name: K8S_PODUID
      valueFrom: {fieldRef: {fieldPath: metadata.uid}}
    - name: K8S_NODE_NAME
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    resources: {requests: {cpu: 30m, memory: 30Mi}, limits: {cpu: 100m, memory: 60Mi}}
    securityContext:
      runAsUser: 1001
      runAsGroup: 1001
      runAsNonRoot: true
      readOnlyRootFilesystem: true
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
    volumeMounts:
    - {name: oneagent-bin, mountPath: /mnt/bin, readOnly: true}
    - {name: dynatrace-config, mountPath: /mnt/config}
    - {name: dynatrace-input, mountPath: /mnt/input, readOnly: true}
  containers:
  - name: a
    image: docker.io/test/app:1
    imagePullPolicy: Never
    command: [sh, -c, "cat /var/lib/dynatrace/enrichment/dt_metadata.properties; $4"]
    env:
    - {name: LD_PRELOAD, value: $3/agent/lib64/liboneagentproc.so}
    - {name: DT_STORAGE, value: /var/lib/dynatrace/oneagent}
    - name: DT_DEPLOYMENT_METADATA
      value: orchestration_tech=Operator-application_monitoring;script_version=test
    volumeMounts:
    - {name: oneagent-bin, mountPath: $3, readOnly: true}
    - {name: dynatrace-config, mountPath: /var/lib/dynatrace, subPath: a}
    - {name: dynatrace-config, mountPath: /etc/ld.so.preload, subPath: oneagent/ld.so.preload, readOnly: true}
  volumes:
  - name: oneagent-bin
    csi:
      driver: csi.oneagent.dynatrace.com
      readOnly: true
      volumeAttributes: {mode: app, dynakube: $2, retryTimeout: "10m0s"}
  - name: dynatrace-input
    projected:
      sources:
      - secret: {name: dynatrace-bootstrapper-config}
      - secret: {name: dynatrace-bootstrapper-certs, optional: true}
  - name: dynatrace-config
    emptyDir: {}
)",
                          pod.name, pod.namespace_name, pod.dynakube,
                          kVolumePath, kWait);
}

std::string DynaKubeManifest(const std::string& name,
                             const std::string& api_url,
                             absl::string_view version,
                             absl::string_view api_token) {
  return absl::Substitute(R"(apiVersion: v1
kind: Secret
metadata: {name: $0, namespace: $1}
stringData: {apiToken: $4}
---
apiVersion: dynatrace.com/v1beta6
kind: DynaKube
metadata: {name: $0, namespace: $1}
spec:
  apiUrl: $2
  oneAgent:
    applicationMonitoring: {version: $3}
)",
                          name, kDriverNamespace, api_url, version, api_token);
}

}  // namespace oneagent
