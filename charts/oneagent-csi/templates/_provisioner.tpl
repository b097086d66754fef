{{- /* Whether there is one that asks the API server; empty: no */}}
{{- define "oneagent-csi.asksApi" -}}
{{- if and .Values.provisioner.enabled (not .Values.drain.enabled) }}yes{{ end -}}
{{- end }}

{{- define "oneagent-csi.provisioner" -}}
- name: provisioner
  image: {{ include "oneagent-csi.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/usr/bin/oneagent-csi-provisioner]
  args:
    - --data-dir=/data
    {{- if .Values.drain.enabled }}
    # Nobody wants an agent: what no volume uses goes.
    - --dynakube-dir=/no-dynakubes
    - --keep-versions=0
    {{- else }}
    - --namespace={{ .Release.Namespace }}
    - --node-name=$(NODE_NAME)
    - --start-jitter={{ .Values.provisioner.startJitter }}
    {{- with .Values.removeStartupTaint }}
    - --remove-startup-taint={{ . }}
    {{- end }}
    - --keep-versions={{ .Values.provisioner.keepVersions }}
    {{- with .Values.proxy.url }}
    - --proxy={{ . }}
    {{- end }}
    {{- with .Values.proxy.noProxy }}
    - --no-proxy={{ join "," . }}
    {{- end }}
    {{- end }}
    - --grace-period={{ .Values.provisioner.gracePeriod }}
    - --health-address=:10090
    - --metrics-address=:8090
    - --log-format={{ .Values.logFormat }}
    - --log-level={{ .Values.logLevel }}
    {{- with .Values.provisioner.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    - name: NODE_NAME
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    {{- with .Values.k8sServiceHost }}
    - {name: KUBERNETES_SERVICE_HOST, value: {{ . | quote }}}
    {{- end }}
    {{- with .Values.k8sServicePort }}
    - {name: KUBERNETES_SERVICE_PORT, value: {{ . | quote }}}
    {{- end }}
    {{- with .Values.provisioner.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: prov-health, containerPort: 10090}
    - {name: prov-metrics, containerPort: 8090}
  livenessProbe:
    httpGet: {path: /healthz, port: prov-health}
    {{- include "oneagent-csi.livenessTimes" . | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: prov-health}
    {{- include "oneagent-csi.readinessTimes" . | nindent 4 }}
  resources:
    {{- toYaml .Values.provisioner.resources | nindent 4 }}
  securityContext:
    {{- include "oneagent-csi.unprivileged" . | nindent 4 }}
    {{- if .Values.openshift.enabled }}
    seLinuxOptions: {type: spc_t}
    {{- end }}
  volumeMounts:
    - {name: data-dir, mountPath: /data}
    {{- if .Values.drain.enabled }}
    - {name: no-dynakubes, mountPath: /no-dynakubes, readOnly: true}
    {{- else }}
    - {name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
    {{- end }}
{{- end }}

{{- define "oneagent-csi.provisionerVolume" -}}
{{- if .Values.drain.enabled }}
- name: no-dynakubes
  emptyDir: {sizeLimit: 1Mi}
{{- else }}
# What `automountServiceAccountToken` would give to every container.
- name: api-access
  projected:
    defaultMode: 0400
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3607}
      - configMap:
          name: kube-root-ca.crt
          items: [{key: ca.crt, path: ca.crt}]
      - downwardAPI:
          items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]
{{- end }}
{{- end }}
