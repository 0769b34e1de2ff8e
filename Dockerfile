# One image for every process. Runs as an ordinary user; versions are those of the lock file.
FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/gateway gateway
WORKDIR /app
COPY requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
USER gateway
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "wsgi:app"]
