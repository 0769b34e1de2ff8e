#!/usr/bin/env bash
# The two roles: the owner migrates, the application owns nothing. Run once, by the image's init.
set -euo pipefail
psql -v ON_ERROR_STOP=1 -v owner="$GATEWAY_OWNER_PASSWORD" -v app="$GATEWAY_APP_PASSWORD" -U postgres <<'SQL'
CREATE ROLE gateway_owner LOGIN PASSWORD :'owner';
CREATE ROLE gateway_app LOGIN PASSWORD :'app';
CREATE DATABASE gateway OWNER gateway_owner;
\connect gateway
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO gateway_owner;
SQL
