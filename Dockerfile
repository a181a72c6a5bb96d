# Two targets: `api` serves (no TensorFlow), `trainer` imports files and fits models.
#   docker build --target api -t recserve-api .
#   docker build --target trainer -t recserve-trainer .
FROM python:3.11-slim-bookworm AS base
WORKDIR /srv/recserve
ENV PATH=/srv/recserve/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    RECSERVE_HOST=0.0.0.0
RUN python3 -m venv .venv

FROM base AS api
COPY requirements/serve.txt requirements/serve.txt
RUN .venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check \
    --require-hashes -r requirements/serve.txt
COPY app app
COPY models models
COPY migrations migrations
# Byte code is made now: the process that serves may not write it, and starts twice as fast with it.
RUN .venv/bin/python -m compileall -q app models migrations
# Only these two are written to; everything else may be mounted read-only.
RUN mkdir -p var artifacts && chown -R 65532:65532 var artifacts
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
CMD ["python", "-m", "app.cli", "serve"]

FROM api AS trainer
USER 0:0
COPY requirements/train.txt requirements/train.txt
RUN .venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check \
    --require-hashes -r requirements/train.txt
COPY configs/quality configs/quality
USER 65532:65532
HEALTHCHECK NONE
CMD ["python", "-m", "app.cli", "worker"]
