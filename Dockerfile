# The product in one image: controller, CLI and emulated fleet. Building and running: docs/operations/containers.md
#   docker build -t hikitsugi .          BASE: any Debian 12 with python3 (3.11 or newer), python3-venv, ca-certificates
#                                        REQUIREMENTS: run-s3, when images of firmware are kept in an S3-compatible store
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ARG REQUIREMENTS=run
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY requirements/ requirements/
RUN python3 -m venv /opt/hikitsugi \
 && /opt/hikitsugi/bin/pip install --quiet --require-hashes -r requirements/${REQUIREMENTS}.txt
# setuptools makes the wheel and stays behind; its pin and hashes are the ones of the development environment.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/dev.txt > /tmp/build.txt \
 && python3 -m venv /opt/build \
 && /opt/build/bin/pip install --quiet --require-hashes -r /tmp/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY protocol/ protocol/
COPY controller/ controller/
COPY agent/ agent/
COPY firmware_repo/ firmware_repo/
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /tmp/wheel . \
 && /opt/hikitsugi/bin/pip install --quiet --no-deps --no-index /tmp/wheel/*.whl \
 && /opt/hikitsugi/bin/python -m pip uninstall --quiet --yes setuptools pip

FROM ${BASE}
# A number, so that an orchestrator can tell that it is not root; volumes made from the image belong to it.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/hikitsugi --shell /usr/sbin/nologin hikitsugi \
 && install -d -o hikitsugi -g hikitsugi -m 0700 /var/lib/hikitsugi /var/lib/fleet
COPY --from=build /opt/hikitsugi /opt/hikitsugi
ENV PATH=/opt/hikitsugi/bin:$PATH PYTHONUNBUFFERED=1 HIKITSUGI_DATA_DIR=/var/lib/hikitsugi
USER 10001:10001
WORKDIR /var/lib/hikitsugi
EXPOSE 8443 8443/udp 8480
ENTRYPOINT ["hikitsugi"]
CMD ["serve"]
