# syntax=docker/dockerfile:1
# One image for every role: `outdial serve`, `ledger`, `api`, `worker`, `topics create`.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
# Wheels only, each with its hash: nothing is compiled, nothing comes that is not in the lock.
COPY requirements.lock ./
RUN python -m venv --without-pip /opt/outdial \
    && pip --python /opt/outdial/bin/python install --only-binary :all: --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas schemas
COPY services services
COPY projections projections
RUN pip --python /opt/outdial/bin/python wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/outdial/bin/python install --no-deps dist/outdial-*.whl \
    && python -m compileall -q -j 0 /opt/outdial/lib

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Outdial" \
      org.opencontainers.image.description="An event-sourced outbound-dialing ledger" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/outdial /opt/outdial
# A number, so that a cluster that refuses root can see that it is none. Views, snapshots and the address file stand in /data.
RUN install -d -o 10001 -g 10001 -m 0700 /data
ENV PATH=/opt/outdial/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OUTDIAL_HOST=0.0.0.0 \
    OUTDIAL_PORT=8080 \
    OUTDIAL_DATA=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["outdial"]
CMD ["serve"]
