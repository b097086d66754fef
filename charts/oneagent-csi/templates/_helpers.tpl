{{- define "oneagent-csi.driver" -}}csi.oneagent.dynatrace.com{{- end }}

{{- define "oneagent-csi.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := .Values.fullnameOverride -}}
{{- if not $full -}}
{{- $full = ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- end -}}
{{- $full | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "oneagent-csi.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "oneagent-csi.labels" -}}
{{ include "oneagent-csi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "oneagent-csi.image" -}}
{{- with .Values.image -}}
{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "oneagent-csi.serviceAccount" -}}
{{- default (printf "%s-provisioner" (include "oneagent-csi.name" .)) .Values.serviceAccount.name -}}
{{- end }}

{{- define "oneagent-csi.priorityClass" -}}
{{- with .Values.priorityClass -}}
{{- if .name }}{{ .name }}{{ else if .create }}{{ include "oneagent-csi.name" $ }}{{ end -}}
{{- end }}
{{- end }}

{{- define "oneagent-csi.pluginDir" -}}
{{ .Values.kubeletPath }}/plugins/{{ include "oneagent-csi.driver" . }}
{{- end }}

{{- define "oneagent-csi.dataDir" -}}
{{- $data := default (printf "%s/plugins/oneagent-csi" .Values.kubeletPath) .Values.dataDir -}}
{{- $plugin := include "oneagent-csi.pluginDir" . -}}
{{- if hasPrefix (printf "%s/" $plugin) (printf "%s/" $data) -}}
{{- fail (printf "dataDir=%s: is below %s, which is mounted besides" $data $plugin) -}}
{{- end -}}
{{ $data }}
{{- end }}

{{- /* (list . SUFFIX RULES): a ClusterRole and its binding to the provisioner */}}
{{- define "oneagent-csi.clusterRole" -}}
{{- $root := index . 0 }}
{{- $name := printf "%s-%s" (include "oneagent-csi.name" $root) (index . 1) }}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels:
    {{- include "oneagent-csi.labels" $root | nindent 4 }}
rules:
{{ toYaml (index . 2) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "oneagent-csi.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {{ $name }}
subjects:
- kind: ServiceAccount
  name: {{ include "oneagent-csi.serviceAccount" $root }}
  namespace: {{ $root.Release.Namespace }}
{{- end }}
