#!/usr/bin/env bash
# Writes the table of values for the chart's README, from the comments in its
# values.yaml: "# -- TEXT", and further lines of it, above a value. Fails where
# a value has no such text, nor has one that it is part of.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../../charts/oneagent-csi"

awk '
  /^ *# -- / { text = $0; sub(/^ *# -- /, "", text); next }
  /^ *# / { sub(/^ *# /, ""); if (text != "") text = text " " $0; next }
  /^ *[A-Za-z0-9]+:/ {
    depth = match($0, /[^ ]/) - 1
    key = substr($0, depth + 1, index($0, ":") - depth - 1)
    path = depth == 0 ? key : parents[depth - 2] "." key
    parents[depth] = path
    if (text != "") print path "\t" text
  }
  { text = "" }' values.yaml |
  jq -rRn --argjson values "$(yq -c . values.yaml)" '
    [inputs | split("\t") | {path: (.[0] / "."), text: .[1]}] as $rows
    | [$rows[].path] as $told
    | ($values | [paths(type | . != "object" or length == 0)]
       | map(select(all(.[]; type == "string")))) as $leaves
    | [$leaves[] | select(. as $leaf
       | any($told[]; . == $leaf[:length]) | not) | join(".")] as $untold
    | if $untold != [] then error("no text for \($untold)") else empty end,
      "| value | default | what |", "|---|---|---|",
      ($rows[] | .path as $path
       | "| `\($path | join("."))` | `\($values | getpath($path) | tojson)` | \(.text) |")'
