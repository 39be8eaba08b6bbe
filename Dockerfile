# One image for all programs of a node. Its default entry point is logd.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# hdrhistogram has no wheel for arm64 and is compiled there. The compiler package also provides strip.
# hadolint ignore=DL3008
RUN apt-get --option=Acquire::Retries=5 update \
    && apt-get --option=Acquire::Retries=5 install --yes --no-install-recommends gcc libc6-dev \
    && rm -rf /var/lib/apt/lists/*
COPY requirements.lock requirements-build.lock ./
# Everything fetched is locked by hash, including the build tool; the only exception are the build dependencies of
# hdrhistogram on arm64. The final venv has no pip and no setuptools: pbr requires it, but only to build packages.
RUN python3 -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock \
    && python3 -m venv --without-pip /opt/nodelog \
    && tools/bin/pip --python /opt/nodelog/bin/python3 install --no-cache-dir --no-compile --require-hashes \
        -r requirements.lock \
    && tools/bin/pip --python /opt/nodelog/bin/python3 uninstall --yes setuptools \
    && find /opt/nodelog -name '*.so*' -exec strip --strip-debug {} +
COPY . .
# Compile all modules here; Python then never compares them with the sources at startup.
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
# People read the log with `cat /var/node_log`; all its files are in one directory, the one to mount.
RUN mkdir /var/lib/nodelog /var/spool/nodelog \
    && chown 65532:65532 /var/lib/nodelog /var/spool/nodelog \
    && ln -s /var/lib/nodelog/node_log /var/node_log
ENV PATH=/opt/nodelog/bin:$PATH
# The standard library of the base image is not compiled. Running each program once as root compiles its imports;
# otherwise every start on a read-only root file system would compile them again, for 0.3 s of CPU time.
RUN logd --version && logcd --version && nodeagent --version && nodelog load --help >/dev/null
USER 65532:65532
EXPOSE 6666 9166 9167 9168
STOPSIGNAL SIGTERM
ENTRYPOINT ["logd"]
