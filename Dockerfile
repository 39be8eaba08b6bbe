# One image for every program of a node: logd is what it runs if nothing else is named.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
# hdrhistogram has no wheel for arm64: it is compiled there.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
COPY requirements.lock requirements-dev.lock ./
# Nothing is fetched that the locks do not name with its hash, the build tool included.
RUN python -m venv /opt/nodelog \
    && /opt/nodelog/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && python -m venv tools \
    && tools/bin/pip install --no-cache-dir --require-hashes -r requirements-dev.lock
COPY . .
RUN tools/bin/hatchling build -t wheel \
    && /opt/nodelog/bin/pip install --no-cache-dir --no-index --no-deps dist/*.whl

FROM python:3.11-slim-bookworm
COPY --from=build /opt/nodelog /opt/nodelog
# People read the log with `cat /var/node_log`; all that belongs to it lives in one directory, the one to mount.
RUN mkdir /var/lib/nodelog \
    && chown 65532:65532 /var/lib/nodelog \
    && ln -s /var/lib/nodelog/node_log /var/node_log
ENV PATH=/opt/nodelog/bin:$PATH
USER 65532:65532
EXPOSE 6666 9166
STOPSIGNAL SIGTERM
CMD ["logd"]
