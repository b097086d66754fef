{{- define "oneagent-csi.mounter" -}}
- name: mounter
  image: {{ include "oneagent-csi.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/usr/bin/oneagent-csi-mounter]
  args:
    - --endpoint=unix:///csi/csi.sock
    - --data-dir=/data
    - --kubelet-dir={{ .Values.kubeletPath }}
    - --node-id=$(NODE_NAME)
    {{- if not .Values.registrar.enabled }}
    - --registration-dir=/registration
    - --kubelet-socket-path={{ include "oneagent-csi.pluginDir" . }}/csi.sock
    {{- end }}
    {{- if .Values.drain.enabled }}
    - --drain
    {{- end }}
    - --max-in-flight={{ .Values.mounter.maxInFlight }}
    - --max-mount-attempts={{ .Values.mounter.maxMountAttempts }}
    - --empty-volume-stub={{ .Values.mounter.emptyVolumeStub }}
    - --health-address=:10080
    - --metrics-address=:8080
    - --log-format={{ .Values.logFormat }}
    - --log-level={{ .Values.logLevel }}
    {{- with .Values.mounter.extraArgs }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  env:
    - name: NODE_NAME
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    {{- with .Values.mounter.extraEnv }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  ports:
    - {name: health, containerPort: 10080}
    - {name: metrics, containerPort: 8080}
  livenessProbe:
    httpGet: {path: /healthz, port: {{ ternary 9808 "health" .Values.livenessProbe.enabled }}}
    {{- include "oneagent-csi.livenessTimes" . | nindent 4 }}
  readinessProbe:
    httpGet: {path: /readyz, port: health}
    {{- include "oneagent-csi.readinessTimes" . | nindent 4 }}
  resources:
    {{- toYaml .Values.mounter.resources | nindent 4 }}
  securityContext:
    # Kubernetes allows Bidirectional propagation to privileged containers only,
    # and then ignores capabilities and seccomp: the mounter drops its
    # capabilities itself, all but four.
    privileged: true
    runAsUser: 0
    runAsGroup: 0
    readOnlyRootFilesystem: true
  volumeMounts:
    # Old versions of the reference driver mounted below it: what is unmounted
    # there must go on the node, and what goes there must not stay here.
    - {name: plugin-dir, mountPath: /csi, mountPropagation: Bidirectional}
    {{- if not .Values.registrar.enabled }}
    - {name: registration-dir, mountPath: /registration}
    {{- end }}
    - {name: data-dir, mountPath: /data}
    - {name: pods-dir, mountPath: {{ .Values.kubeletPath }}/pods, mountPropagation: Bidirectional}
{{- end }}

{{- define "oneagent-csi.livenessTimes" -}}
periodSeconds: 15
timeoutSeconds: 5
failureThreshold: 5
{{- end }}

{{- define "oneagent-csi.readinessTimes" -}}
periodSeconds: 10
timeoutSeconds: 5
{{- end }}

{{- /* Of a container that needs nothing but to be uid 0, to whom the files belong */}}
{{- define "oneagent-csi.unprivileged" -}}
privileged: false
allowPrivilegeEscalation: false
runAsUser: 0
runAsGroup: 0
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}
