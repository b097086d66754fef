{{- define "oneagent-csi.registrar" -}}
- name: registrar
  image: {{ .Values.registrar.image }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    - --kubelet-registration-path={{ include "oneagent-csi.pluginDir" . }}/csi.sock
    - --plugin-registration-path=/registration
    - --http-endpoint=:9809
  livenessProbe:
    httpGet: {path: /healthz, port: 9809}
    {{- include "oneagent-csi.livenessTimes" . | nindent 4 }}
  resources:
    {{- toYaml .Values.registrar.resources | nindent 4 }}
  securityContext:
    {{- include "oneagent-csi.unprivileged" . | nindent 4 }}
  volumeMounts:
    - {name: plugin-dir, mountPath: /csi}
    - {name: registration-dir, mountPath: /registration}
{{- end }}

{{- define "oneagent-csi.livenessProbe" -}}
- name: liveness-probe
  image: {{ .Values.livenessProbe.image }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  args:
    - --csi-address=/csi/csi.sock
    - --probe-timeout=3s
    - --http-endpoint=:9808
  resources:
    {{- toYaml .Values.livenessProbe.resources | nindent 4 }}
  securityContext:
    {{- include "oneagent-csi.unprivileged" . | nindent 4 }}
  volumeMounts:
    - {name: plugin-dir, mountPath: /csi}
{{- end }}
