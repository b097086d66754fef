{{- define "oneagent-csi.provisioner" -}}
- name: provisioner
  image: {{ include "oneagent-csi.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [/usr/bin/oneagent-csi-provisioner]
  args:
    - --data-dir=/data
    - --namespace={{ .Release.Namespace }}
    - --node-name=$(NODE_NAME)
    - --start-jitter={{ .Values.provisioner.startJitter }}
    {{- with .Values.removeStartupTaint }}
    - --remove-startup-taint={{ . }}
    {{- end }}
    - --grace-period={{ .Values.provisioner.gracePeriod }}
    - --keep-versions={{ .Values.provisioner.keepVersions }}
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
    periodSeconds: 15
    timeoutSeconds: 5
    failureThreshold: 5
  readinessProbe:
    httpGet: {path: /readyz, port: prov-health}
    periodSeconds: 10
    timeoutSeconds: 5
  resources:
    {{- toYaml .Values.provisioner.resources | nindent 4 }}
  securityContext:
    privileged: false
    allowPrivilegeEscalation: false
    runAsUser: 0
    runAsGroup: 0
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL]}
    seccompProfile: {type: RuntimeDefault}
  volumeMounts:
    - {name: data-dir, mountPath: /data}
    - {name: api-access, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- end }}
