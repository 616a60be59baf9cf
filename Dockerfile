# The runtime on Python 3.12 with a CPU build of torch; runs as a user that owns its state only.
FROM python:3.12.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv /opt/venv
# Dependencies first: they change less often than the code.
COPY pyproject.toml constraints.txt ./
RUN /opt/venv/bin/pip install --index-url https://download.pytorch.org/whl/cpu "torch==2.13.0"
COPY README.md LICENSE ./
COPY envs envs
COPY agents agents
COPY ensemble ensemble
COPY runtime runtime
COPY training training
RUN /opt/venv/bin/pip install --constraint constraints.txt ".[postgres]"

FROM python:3.12.11-slim-bookworm
# LightGBM needs the system's OpenMP library. Its version follows the pinned Debian release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/quant-trader \
       --shell /usr/sbin/nologin quant-trader \
    && install --directory --owner quant-trader --group quant-trader --mode 0700 \
       /var/lib/quant-trader /var/cache/quant-trader
COPY --from=build /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    HOME=/var/lib/quant-trader \
    QT_CACHE_DIR=/var/cache/quant-trader \
    QT_KERNEL_CACHE_DIR=/var/cache/quant-trader/kernel
USER 10001:10001
WORKDIR /var/lib/quant-trader
VOLUME ["/var/lib/quant-trader", "/var/cache/quant-trader"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=300s --retries=3 \
    CMD ["python", "-m", "runtime", "health", "--state", "/var/lib/quant-trader"]
ENTRYPOINT ["python", "-m", "runtime"]
CMD ["trade", "--venue", "demo", "--bundle", "/bundle", "--state", "/var/lib/quant-trader", "--view", "plain"]
