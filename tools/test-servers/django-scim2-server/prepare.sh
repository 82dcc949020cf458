#!/usr/bin/env bash
# Copies the site to ENVIRONMENT/site and makes its empty database in ENVIRONMENT/template.
set -euo pipefail
cd "$(dirname "$0")"
environment=$1

mkdir "$environment/site" "$environment/template"
cp -r target_site "$environment/site"
"$environment/bin/python" -m compileall -q "$environment/site"
cd "$environment/template"
PYTHONPATH="$environment/site" DJANGO_SETTINGS_MODULE=target_site.settings TARGET_TOKEN=unused \
  "$environment/bin/django-admin" migrate --verbosity 0
