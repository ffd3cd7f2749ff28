"""Settings, read top to bottom. Everything comes from the environment and has a default that works.

A secret `NAME` may also be given as `NAME_FILE`, the path of a file that holds it (Docker and systemd secrets).
docs/settings.md describes each variable; tests/test_docs.py keeps that page complete.
"""

import contextlib
import os
import re
import secrets
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dj_database_url
import phonenumbers
from django.core.exceptions import ImproperlyConfigured

from personaeval.environment import (
    env_bool,
    env_choice,
    env_count,
    env_folder,
    env_list,
    env_port,
    env_seconds,
    env_site,
    env_str,
    env_sub_path,
)
from personaeval.private import tighten

BASE_DIR = Path(__file__).resolve().parent.parent


def gettext_noop(message: str) -> str:
    """Mark a default that pages show for translation; Django's own of that name needs the settings."""
    return message


def local_secret(path: Path) -> str:
    """Return the secret kept in `path`, creating it (mode 0600) on first use so that sessions survive restarts."""
    if not path.exists():
        # Written aside and then linked: processes that start together all read one complete secret.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(50), encoding="ascii")
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    tighten(path)
    return path.read_text(encoding="ascii").strip()


# --- Where local data lies -------------------------------------------------------------------------------------

VAR_DIR = env_folder("VAR_DIR", BASE_DIR / "var")

# --- Security --------------------------------------------------------------------------------------------------

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env_str("SECRET_KEY", "") or local_secret(VAR_DIR / "secret_key")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", "")

# Below which path of the host the site lies: "" or, say, "/studies".
SUB_PATH = env_sub_path("SUB_PATH")
FORCE_SCRIPT_NAME = SUB_PATH or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{SUB_PATH}/"  # another site of the host has cookies of its own

# HTTPS=1 behind a proxy that terminates TLS and sets X-Forwarded-Proto.
HTTPS = env_bool("HTTPS", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 60 * 60 * 24 * 365 if HTTPS else 0
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "annotation.views.errors.csrf_failure"
# How many proxies of ours write X-Forwarded-For, one behind the other. 0: nobody's network is known behind a proxy.
TRUSTED_PROXIES = env_count("TRUSTED_PROXIES", 0)
SECURE_REFERRER_POLICY = "same-origin"  # participant links hold a secret token
SECURE_CONTENT_TYPE_NOSNIFF = True
# The form of a long questionnaire in several languages; the length of a request has a limit of its own.
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
X_FRAME_OPTIONS = "DENY"
# Whether all names below this one speak HTTPS, and whether browsers are to be told so in advance, is for those who run
# them to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# --- Applications ----------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "template_partials",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "annotation",
    "modelhub",
]

MIDDLEWARE = [
    "personaeval.operations.middleware.RequestsMiddleware",
    "personaeval.operations.middleware.ProbesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    # What adds headers stands before what answers for static files: these carry the same ones.
    "personaeval.middleware.SecurityHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "personaeval.middleware.FilesMiddleware",
    "personaeval.middleware.OddRequestsMiddleware",
    "personaeval.middleware.FullStorageMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "personaeval.urls"
WSGI_APPLICATION = "personaeval.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "annotation.languages.page_language",
            ],
            "builtins": ["django.templatetags.i18n"],
        },
    },
]

# --- Accounts (researchers and admins; participants have links, not accounts) -----------------------------------

AUTH_USER_MODEL = "annotation.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "annotation:study_list"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
# Guesses are counted for a name and an address together, so that nobody locks a name for everybody else.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "personaeval.clients.client_address"
AXES_WHITELIST_CALLABLE = "personaeval.accounts.browsers.is_known"
AXES_LOCKOUT_CALLABLE = "personaeval.accounts.views.locked_out"
AXES_DISABLE_ACCESS_LOG = True  # our own lines say who signed in; no address is kept longer than the lock
AXES_SENSITIVE_PARAMETERS = ["username", "password", "code", "csrfmiddlewaretoken"]
AXES_ENABLE_ADMIN = False
OTP_TOTP_ISSUER = "personaeval"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

# --- Mail: reminders alone, and only where a server is named -----------------------------------------------------

EMAIL_HOST = env_str("EMAIL_HOST", "")
EMAIL_PORT = env_port("EMAIL_PORT", 587)
EMAIL_HOST_USER = env_str("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env_str("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 20
DEFAULT_FROM_EMAIL = env_str("EMAIL_FROM", "")
if EMAIL_HOST and "@" not in DEFAULT_FROM_EMAIL:
    raise ImproperlyConfigured("EMAIL_HOST is set, and EMAIL_FROM is no e-mail address to write from.")

# --- Hooks between the applications ------------------------------------------------------------------------------

# `annotation` never imports `modelhub`; it calls these, in its own transaction, before a draft's outputs and personas
# are discarded.
DISCARD_HOOKS = ["modelhub.hooks.discard_records"]
# The same, in the transaction that erases a participant's data.
ERASURE_HOOKS = ["modelhub.hooks.erase_records"]
# How far what participants of a study write travels to models: none, here, network or outside.
PERSONAS_REACH = "modelhub.hooks.personas_reach"

# --- Privacy -----------------------------------------------------------------------------------------------------

# Stands on the receipt of an erasure: what only the people who run the site can know.
BACKUP_STATEMENT = env_str(
    "BACKUP_STATEMENT",
    gettext_noop("Backups that were made before may still hold the data until they are replaced by newer ones."),
)

# Where people dial as the numbers in their texts are written; those in international form are found anywhere.
PHONE_REGIONS = env_list("PHONE_REGIONS", "US,CA,GB,IE,AU,IN,ZA,DE,AT,CH,FR,ES,IT,NL,PL,PT")
if unknown := sorted(set(PHONE_REGIONS) - set(phonenumbers.SUPPORTED_REGIONS)):
    raise ImproperlyConfigured(f"PHONE_REGIONS names {', '.join(unknown)}; use codes of countries such as DE or US.")

# --- Database --------------------------------------------------------------------------------------------------

# IMMEDIATE takes SQLite's write lock when a transaction starts. With the default, a transaction that reads first
# fails at its first write whenever another one has written in between: answers were lost under load.
SQLITE_OPTIONS: dict[str, Any] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;",
}

# The server plans a statement once for a connection instead of at every click, which halves what a save costs it.
# Behind a pooler that mixes sessions, `?prepare_threshold=1000000` in DATABASE_URL keeps it from doing that.
POSTGRESQL_OPTIONS: dict[str, Any] = {"server_side_binding": True, "prepare_threshold": 5}

# How long a thread keeps its connection: opening one costs more than a save.
KEPT_SECONDS = 600


def database(url: str) -> dict[str, Any]:
    """Return Django's settings for a database URL, with the options SQLite needs to be safe under load."""
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=KEPT_SECONDS, conn_health_checks=True))
    except (ValueError, dj_database_url.ParseError) as error:
        raise ImproperlyConfigured(f"DATABASE_URL cannot be read: {error}") from error
    if config["ENGINE"] == "django.db.backends.sqlite3":
        config["ENGINE"] = "personaeval.sqlite"
        config["CONN_HEALTH_CHECKS"] = False  # a file does not hang up
        config["OPTIONS"] = {**SQLITE_OPTIONS, **config.get("OPTIONS", {})}
        # Threads of a test share one file, never an in-memory database that behaves unlike the real one.
        config["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
    if config["ENGINE"] == "django.db.backends.postgresql":
        config["OPTIONS"] = {**POSTGRESQL_OPTIONS, **config.get("OPTIONS", {})}
    return config


DATABASES = {"default": database(env_str("DATABASE_URL", f"sqlite:///{quote(str(VAR_DIR / 'db.sqlite3'))}"))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Language and time -----------------------------------------------------------------------------------------

# The source texts are English, so English needs no catalogue; the others are written by `make catalogues`.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("ar", "العربية"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "personaeval" / "locale"]
USE_I18N = True
# A researcher's choice. Participants have none: their pages are in the language of the study.
LANGUAGE_COOKIE_AGE = 60 * 60 * 24 * 365
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS
TIME_ZONE = "UTC"
USE_TZ = True

# --- Static files ----------------------------------------------------------------------------------------------

STATIC_URL = f"{SUB_PATH}/static/"
STATIC_ROOT = VAR_DIR / "static"
DOCS_DIR = env_site("DOCS_DIR")  # what `make site` has built
DOCS_PREFIX = "docs/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Compressed, hashed names once `collectstatic` has run; straight from static/ before, so no step is required.
STATIC_COLLECTED = (STATIC_ROOT / "staticfiles.json").exists() and not DEBUG
WHITENOISE_USE_FINDERS = not STATIC_COLLECTED
WHITENOISE_INDEX_FILE = True
WHITENOISE_ALLOW_ALL_ORIGINS = False  # pages of others have no use for them
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_COLLECTED or "collectstatic" in sys.argv
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- Watching --------------------------------------------------------------------------------------------------

# Without a token only this computer itself may read /metrics.
METRICS_TOKEN = env_str("METRICS_TOKEN", "")
if METRICS_TOKEN and not re.fullmatch(r"[!-~]{16,}", METRICS_TOKEN):
    raise ImproperlyConfigured(
        "METRICS_TOKEN is too short to be a secret, or has blanks or letters that no header can carry; use 16 random "
        "letters and digits or more."
    )
QUEUE_WARN_SECONDS = env_seconds("QUEUE_WARN_SECONDS", 60)

# --- Logging ---------------------------------------------------------------------------------------------------

LOG_FORMAT = env_choice("LOG_FORMAT", "plain", "json")
# No DEBUG: libraries write whole requests there, with personas in them.
LOG_LEVEL = env_choice("LOG_LEVEL", "INFO", "WARNING", "ERROR")
LOG_REQUESTS = env_bool("LOG_REQUESTS", LOG_FORMAT == "json")

# Participant links hold a secret token: a filter takes it out of every path before a line is written. Another makes one
# line of what is wrong with a request.
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "refusals": {"()": "personaeval.logs.RefusalsInOneLine", "level": LOG_LEVEL},
        "hide_tokens": {"()": "personaeval.logs.HideTokens"},
    },
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "personaeval.logs.JsonLines"},
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "filters": ["refusals", "hide_tokens"], "formatter": LOG_FORMAT},
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "django.server": {"handlers": [], "level": LOG_LEVEL, "propagate": True},
        "httpx": {"level": "WARNING"},
        # It names whatever was typed as a name, which may be a password; personaeval.accounts says what happened.
        "axes": {"level": "ERROR"},
    },
}
