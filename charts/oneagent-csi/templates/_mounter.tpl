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
    - --registration-dir=/registration
    - --kubelet-socket-path={{ include "oneagent-csi.pluginDir" . }}/csi.sock
    - --max-in-flight={{ .Values.mounter.maxInFlight }}
    - --max-mount-attempts={{ .Values.mounter.maxMountAttempts }}
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
    httpGet: {path: /healthz, port: health}
    periodSeconds: 15
    timeoutSeconds: 5
    failureThreshold: 5
  readinessProbe:
    httpGet: {path: /readyz, port: health}
    periodSeconds: 10
    timeoutSeconds: 5
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
    - {name: plugin-dir, mountPath: /csi}
    - {name: registration-dir, mountPath: /registration}
    - {name: data-dir, mountPath: /data}
    - {name: pods-dir, mountPath: {{ .Values.kubeletPath }}/pods, mountPropagation: Bidirectional}
{{- end }}
