#!/usr/bin/env bash
# The driver in a real cluster, from its image and its chart, as a user installs
# it: called by ./dev e2e once all parts are built.
#
#   e2e.sh up ARCHIVE        a new cluster with the image, the CRD of DynaKubes
#                            and the chart, RBAC enforced
#   e2e.sh down              everything is gone, or it says what is left
#
# The cluster is one of its own, below build/e2e. What a failed scenario left is
# described below build/e2e-diagnostics.
set -euo pipefail
readonly HERE=$(dirname "$(readlink -f "$0")")
cd "$HERE/../.."
export CLUSTER_STATE=${CLUSTER_STATE:-$PWD/build/e2e}
export CLUSTER_DIAGNOSTICS=${CLUSTER_DIAGNOSTICS:-$PWD/build/e2e-diagnostics}

cluster() { "$HERE/cluster.sh" "$@"; }

install_driver() {
  cluster kubectl apply -f tests/kube/dynakube_crd.yaml >/dev/null
  cluster kubectl wait --for=condition=Established --timeout=60s \
    crd/dynakubes.dynatrace.com >/dev/null
  cluster helm install oneagent-csi charts/oneagent-csi --namespace dynatrace \
    --create-namespace --values tests/cluster/values.yaml
  cluster kubectl --namespace dynatrace rollout status daemonset/oneagent-csi \
    --timeout=2m
}

case ${1:-} in
  up)
    cluster wipe
    rm -rf "$CLUSTER_DIAGNOSTICS"
    cluster up
    cluster load "$2"
    install_driver
    ;;
  down)
    cluster down
    cluster wipe
    ;;
  *) exit 2 ;;
esac
