# The image of oneagent-csi: three programs and what they load. Built by
# `./dev image`, which without a Docker engine makes the same image from the
# same layout and takes the configuration below from this file: so each setting
# of the last stage is a line of its own.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
WORKDIR /src
COPY dev ./
RUN ./dev packages
COPY . .
ARG SOURCE_DATE_EPOCH=0
RUN ./dev layout /image

FROM scratch
COPY --from=build /image/ /
ARG VERSION=unknown
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="oneagent-csi"
LABEL org.opencontainers.image.description="Kubernetes CSI node plugin: one monitoring agent per node, a copy-on-write view of it per pod"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="${VERSION}"
LABEL org.opencontainers.image.revision="${REVISION}"
LABEL org.opencontainers.image.created="${CREATED}"
ENV PATH="/usr/bin"
USER 0:0
CMD ["/usr/bin/oneagent-csi", "--help"]
