"""A Django site that has people and groups, and SCIM to write them."""

import os
from pathlib import Path

TOKEN = os.environ["TARGET_TOKEN"]
SECRET_KEY = "canary-django-secret-key"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "target_site.urls"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_scim2_server"]
# Without it answers have no Content-Length, and every one costs its connection.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
SCIM2_SERVER_AUTH_CHECK = "target_site.auth.has_token"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        # In the folder that the server is started in.
        "NAME": Path.cwd() / "db.sqlite3",
        "CONN_MAX_AGE": None,
        # As Django's documentation advises where several threads write:
        # https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-notes
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
# What Django says of an error 500, with its traceback, goes to standard error.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}
