# The page on a CPU, for an arbitrary user id and a read-only root; everything that is kept lies in /data.
#   docker build -t medseg-demo .
#   docker run --rm --read-only --tmpfs /tmp -p 127.0.0.1:7860:7860 -v medseg:/data medseg-demo
FROM python:3.12-slim AS build

RUN python -m venv /opt/medseg
ENV PATH=/opt/medseg/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY requirements.txt requirements.lock ./
# PyTorch's own index for processors comes first: PyPI's build for Linux brings 5 GB of CUDA. Its versions end in "+cpu",
# which satisfies the locked ones.
RUN grep -E '^(torch|torchvision)==' requirements.lock > torch.txt \
 && pip install --index-url https://download.pytorch.org/whl/cpu -r torch.txt \
 && pip install -r requirements.txt -c requirements.lock
COPY pyproject.toml README.md LICENSE app.py ./
COPY medseg_demo medseg_demo
COPY evaluation evaluation
COPY checkpoints checkpoints
RUN pip install --no-deps . && python -m compileall -q /opt/medseg/lib

FROM python:3.12-slim
COPY --from=build /opt/medseg /opt/medseg
ENV PATH=/opt/medseg/bin:$PATH \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOME=/data MEDSEG_CACHE_DIR=/data/cache MEDSEG_DEVICE=cpu
# Any user id may be given (--user, OpenShift): the folder is the group's that such ids have.
RUN mkdir /data && chgrp 0 /data && chmod 2775 /data
WORKDIR /data
VOLUME /data
USER 10001:0
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
ENTRYPOINT ["medseg"]
CMD ["demo", "--host", "0.0.0.0"]
