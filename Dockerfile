# One image for every program of a node. It runs logd unless another entry point is set.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# hdrhistogram has no wheel for arm64 and is compiled there. The compiler brings strip along.
# hadolint ignore=DL3008
RUN apt-get --option=Acquire::Retries=5 update \
    && apt-get --option=Acquire::Retries=5 install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock requirements-build.lock ./
# Everything fetched is locked with its hash, the build tool included; the exception is what hdrhistogram is compiled
# with on arm64. The final venv has no pip, and no setuptools: pbr requires it, but needs it only to build packages.
RUN python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/nodelog \
    && tools/bin/pip --python /opt/nodelog/bin/python3 install --no-cache-dir --no-compile --require-hashes \
        -r requirements.lock \
    && tools/bin/pip --python /opt/nodelog/bin/python3 uninstall --yes setuptools \
    && find /opt/nodelog -name '*.so*' -exec strip --strip-debug {} +
COPY . .
# Compiled here, and never compared with the source at a start.
RUN tools/bin/hatchling build -t wheel \
    && tools/bin/pip --python /opt/nodelog/bin/python3 install --no-cache-dir --no-compile --no-index --no-deps dist/*.whl \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/nodelog/lib

FROM python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="nodelog" \
    org.opencontainers.image.description="Collects, archives and watches the logs of one Kubernetes node" \
    org.opencontainers.image.version="0.1.0" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.base.name="docker.io/library/python:3.11-slim-bookworm"
COPY --from=build /opt/nodelog /opt/nodelog
# People read the log with `cat /var/node_log`; all of its files are in one directory, which is the one to mount.
RUN mkdir /var/lib/nodelog /var/spool/nodelog \
    && chown 65532:65532 /var/lib/nodelog /var/spool/nodelog \
    && ln -s /var/lib/nodelog/node_log /var/node_log
ENV PATH=/opt/nodelog/bin:$PATH
# The standard library of the base image is not compiled. Run once as root, each program leaves its imports compiled;
# otherwise every start on a read-only root would compile them again, for 0.3 s of CPU.
RUN logd --version && logcd --version && nodeagent --version && nodelog load --help >/dev/null
USER 65532:65532
EXPOSE 6666 9166 9167 9168
STOPSIGNAL SIGTERM
ENTRYPOINT ["logd"]
