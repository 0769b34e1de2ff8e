# One image for every process. Runs as an ordinary user on a read-only disk; versions are those of
# the lock file. Health is asked per process: see docker-compose.yml.
FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1
RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/gateway gateway
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
    && python -m compileall -q gateway workers wsgi.py celerybeat_schedule.py
USER gateway
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "wsgi:app"]
