#!/usr/bin/env bash
# What helm makes of the chart. chart_test.sh CHECK, one of the functions
# check_* below; chart_test.sh update writes the golden files and the table in
# the chart's README anew (./dev docs).
#
# golden/NAME.yaml is what helm renders with values/NAME.yaml; a first line
# "# show-only: TEMPLATE" there picks one template.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
readonly CHART=charts/oneagent-csi
readonly HERE=tests/chart
readonly HELM=build/tools/helm
readonly BEGIN='<!-- values.yaml; ./dev docs -->' END='<!-- end of values.yaml -->'
readonly WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

fail() {
  echo "chart_test: $*" >&2
  exit 1
}

render() {
  "$HELM" template oneagent-csi "$CHART" --namespace dynatrace "$@"
}

sets() { basename -s .yaml $HERE/values/*.yaml; }

render_set() {
  local only
  only=$(sed -n '1s/^# show-only: //p' "$HERE/values/$1.yaml")
  render --values "$HERE/values/$1.yaml" ${only:+--show-only "$only"}
}

# The DaemonSet's pod of each golden file that has one, as JSON: NAME<TAB>POD.
pods() {
  local name
  for name in $(sets); do
    yq -c --arg name "$name" 'select(.kind == "DaemonSet").spec.template.spec
      | {name: $name, pod: .}' "$HERE/golden/$name.yaml"
  done
}

readme_with_table() {
  sed "\|^$BEGIN\$|q" $CHART/README.md
  echo
  $HERE/values_table.sh
  echo
  sed -n "\|^$END\$|,\$p" $CHART/README.md
}

update() {
  local name
  for name in $(sets); do render_set "$name" >"$HERE/golden/$name.yaml"; done
  readme_with_table >"$WORK/readme"
  cp "$WORK/readme" $CHART/README.md
}

check_lint() {
  local name
  for name in $(sets); do
    "$HELM" lint --strict --quiet --namespace dynatrace \
      --values "$HERE/values/$name.yaml" "$CHART"
  done
  [ "$(yq -r '[.version, .appVersion] | join(" ")' $CHART/Chart.yaml)" = \
    "$CHART_VERSION $CHART_VERSION" ] || fail "Chart.yaml is not of $CHART_VERSION"
}

check_golden() {
  local name differs=
  for name in $(sets); do
    render_set "$name" | diff -u "$HERE/golden/$name.yaml" - || differs=yes
  done
  [ "$(ls $HERE/golden)" = "$(ls $HERE/values)" ] || fail "a golden file without values"
  [ -z "$differs" ] || fail "run ./dev docs, look at the differences, and commit"
  render --set metrics.dashboard.create=true |
    yq -r 'select(.kind == "ConfigMap").data["oneagent-csi.json"]' |
    jq --sort-keys . | diff - <(jq --sort-keys . $CHART/files/dashboard.json) ||
    fail "the ConfigMap is not the dashboard"
}

# refused VALUES WORDS: helm does not take the values and says the words.
refused() {
  local said
  if said=$(render --set "$1" 2>&1 >/dev/null); then fail "$1 was taken"; fi
  grep -qF -- "$2" <<<"$said" || fail "$1: '$2' is not in: $said"
}

check_refuses() {
  local map count=0
  # A typo, in every map of which the keys are the chart's.
  for map in $(yq -r 'paths(type == "object" and length > 0)
      | select(all(.[]; type == "string"))
      | select(last | IN("labels", "requests", "limits") | not)
      | join(".")' $CHART/values.yaml); do
    refused "$map.nosuchvalue=1" nosuchvalue
    count=$((count + 1))
  done
  [ "$count" -gt 20 ] || fail "only $count maps found"
  refused nosuchvalue=1 nosuchvalue
  refused 'tolerations[0].efect=NoSchedule' efect
  refused 'mounter.extraEnv[0].nam=A' nam
  refused 'imagePullSecrets[0].nam=A' nam
  refused 'networkPolicy.metricsFrom[0].podSelect=A' podSelect
  refused affinity.nodAffinity=A nodAffinity
  # Wrong kinds and values.
  refused mounter.maxInFlight=0 /mounter/maxInFlight
  refused mounter.maxInFlight=many /mounter/maxInFlight
  refused mounter.emptyVolumeStub=no /mounter/emptyVolumeStub
  refused provisioner.gracePeriod=5 /provisioner/gracePeriod
  refused provisioner.enabled=perhaps /provisioner/enabled
  refused image.pullPolicy=Sometimes /image/pullPolicy
  refused image.digest=sha256:12 /image/digest
  refused kubeletPath=var/lib/kubelet /kubeletPath
  refused kubeletPath=/var/lib/kubelet/ /kubeletPath
  refused proxy.url=http://me:secret@proxy:3128 /proxy/url
  refused 'proxy.noProxy={a b}' /proxy/noProxy/0
  refused logFormat=xml /logFormat
  refused removeStartupTaint=/a /removeStartupTaint
  refused 'networkPolicy.egressPorts={70000}' /networkPolicy/egressPorts/0
  refused updateStrategy.type=Recreate /updateStrategy/type
  refused 'mounter.extraArgs={drain}' /mounter/extraArgs/0
  # The mounter would see its data directory twice.
  refused dataDir=/var/lib/kubelet/plugins/csi.oneagent.dynatrace.com/data \
    'is below /var/lib/kubelet/plugins/csi.oneagent.dynatrace.com'
}

# Alerts and dashboard name metrics, and values of their labels, that there are.
check_metrics() {
  local name count=0
  for name in $(cat $CHART/files/* |
    grep -oE '\b(oneagent_csi|process)_[a-z_]+' | sort -u); do
    name=${name%_bucket}
    grep -qF "| \`$name\` |" docs/metrics.md || fail "docs/metrics.md has no $name"
    count=$((count + 1))
  done
  [ "$count" -gt 10 ] || fail "only $count metrics found"
  count=0
  for name in $(cat $CHART/files/* |
    grep -oP '\b(state|result|cause)(=~|!=|=)\\?"\K[a-z_|]+' | tr '|' '\n' |
    sort -u); do
    grep -qF "\`$name\`" docs/metrics.md || fail "no label has the value $name"
    count=$((count + 1))
  done
  [ "$count" -gt 5 ] || fail "only $count values of labels found"
}

check_readme() {
  readme_with_table | diff -u $CHART/README.md - ||
    fail "the table of values is old: run ./dev docs, and commit"
  [ "$(grep -c '^| `' $CHART/README.md)" -gt 40 ] || fail "no table of values"
}

# The programs know every flag that they are given.
check_flags() {
  local name program flag count=0
  while read -r program flag; do
    "$CHART_PROGRAMS/$program" --help | grep -qE -- "$flag( |=|\$)" ||
      fail "$program has no $flag"
    count=$((count + 1))
  done < <(pods | jq -r '.pod.containers[] | select(.command)
    | (.command[0] | split("/") | last) as $program
    | .args[] | "\($program) \(split("=")[0])"' | sort -u)
  [ "$count" -gt 20 ] || fail "only $count flags found"
}

# What no values may change. Privilege has the mounter alone, because nothing
# else may mount into pods' directories; it has no token.
check_rights() {
  local broken
  broken=$(pods | jq -r '
    def rules: {
      "pod: no token by itself": (.automountServiceAccountToken == false),
      "pod: no namespace of the node":
        (.hostNetwork == null and .hostPID == null and .hostIPC == null),
      "host paths: kubelet'"'"'s and the data directory": ([.volumes[]
        | select(.hostPath).name] - ["plugin-dir", "registration-dir",
        "pods-dir", "data-dir"] == [])
    };
    def rules_of_all: {
      "root file system read-only": .securityContext.readOnlyRootFilesystem,
      "no CPU limit": (.resources.limits.cpu == null),
      "requests": (.resources.requests.cpu and .resources.requests.memory)
    };
    def rules_of_mounter: {
      "privileged": .securityContext.privileged,
      "no token": (all(.volumeMounts[]; .name != "api-access")),
      "no capability asked for": (.securityContext.capabilities == null),
      "propagation where volumes are, or were": ([.volumeMounts[]
        | select(.mountPropagation).name] == ["plugin-dir", "pods-dir"])
    };
    def rules_of_others: {
      "no privilege": (.securityContext.privileged == false),
      "no escalation": (.securityContext.allowPrivilegeEscalation == false),
      "no capability": (.securityContext.capabilities == {"drop": ["ALL"]}),
      "seccomp": (.securityContext.seccompProfile.type == "RuntimeDefault"),
      "no propagation": (all(.volumeMounts[]; .mountPropagation == null))
    };
    def rules_of_provisioner: {
      "data directory alone": ([.volumeMounts[].name] - ["api-access",
        "no-dynakubes"] == ["data-dir"]),
      "memory": (.resources.limits.memory == "256Mi")
    };
    .name as $name | .pod
    | [rules, (.containers[] | .name as $container
       | rules_of_all
         + (if $container == "mounter" then rules_of_mounter
            else rules_of_others end)
         + (if $container == "provisioner" then rules_of_provisioner
            else {} end)
       | with_entries(.key = "\($container): \(.key)"))]
    | add | to_entries[] | select(.value | not) | "\($name): \(.key)"')
  [ -z "$broken" ] || fail "not kept: $broken"
  [ "$(pods | wc -l)" -ge 7 ] || fail "too few pods"
}

case "$1" in
  update) update ;;
  *) "check_$1" ;;
esac
