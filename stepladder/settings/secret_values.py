"""Recognise a secret among settings: by the name of an environment variable, and by the shape of its value.

The shapes are those that the issuers of tokens document, so a match is no guess. A name is one: it counts only when it
ends in a word for a secret, or goes on with one that doesn't describe it, as `PASSWORD_MIN_LENGTH` and `TOKEN_URL` do.
Entropy isn't measured: hashes, identifiers and public keys have as much of it as secrets do.
"""

from __future__ import annotations

import re

_WORDS = frozenset(
    {
        *("APIKEY", "CREDENTIAL", "CREDENTIALS", "CREDS", "PASSPHRASE", "PASSWD", "PASSWORD", "PASSWORDS"),
        *("PRIVATEKEY", "PWD", "SECRET", "SECRETKEY", "SECRETS", "TOKEN", "ACCESSTOKEN", "AUTHTOKEN", "CLIENTSECRET"),
    }
)
_LAST_WORDS = frozenset({"PASS"})
"""Words for a secret at the end of a longer name only: `SMTP_PASS`, not `PASS_THROUGH`."""
_ENDINGS = ("PASSWORD", "PASSWD", "PASSPHRASE", "APIKEY")
"""What is no other word's end: `PGPASSWORD`."""
_KEYS = frozenset(
    {"ACCESS", "ACCOUNT", "API", "AUTH", "CLIENT", "DECRYPTION", "ENCRYPTION", "HMAC", "JWT", "LICENSE", "MASTER"}
    | {"PRIVATE", "SECRET", "SERVICE", "SHARED", "SIGNING", "SSH", "STORAGE", "WEBHOOK"}
)
"""What a key is a secret of: `API_KEY`, not `PARTITION_KEY`."""
_DESCRIBES = frozenset(
    {
        *("AGE", "ALG", "ALGORITHM", "ALIAS", "ARN", "ARNS", "ATTEMPTS", "AUDIENCE", "AUTHORITY", "BACKEND"),
        *("BUCKET", "BUDGET", "BYTES", "CACHE", "CAPACITY", "CHARS", "CHECK", "CHECKS", "CLASS", "COLUMN"),
        *("CONNECTIONS", "COOKIE", "COUNT", "DATE", "DAYS", "DIR", "DIRECTORY", "DISABLED", "DOMAIN", "EMAIL"),
        *("ENABLED", "ENCODING", "ENDPOINT", "ENDPOINTS", "ENGINE", "ENV", "EXPIRATION", "EXPIRE", "EXPIRES"),
        *("EXPIRY", "FIELD", "FIELDS", "FILE", "FILENAME", "FOLDER", "FORMAT", "HASHER", "HASHERS", "HEADER"),
        *("HEADERS", "HOST", "HOURS", "ID", "IDS", "INDEX", "INTERVAL", "ISSUER", "ISSUERS", "KEYWORD", "KIND"),
        *("LABEL", "LAMBDA", "LEEWAY", "LEN", "LENGTH", "LEVEL", "LIFETIME", "LIMIT", "LOCATION", "MANAGER", "MAX"),
        *("METHOD", "MILLIS", "MIN", "MINUTES", "MODE", "MS", "NAME", "NAMES", "NAMESPACE", "OPTIONAL", "ORIGIN"),
        *("PARAM", "PARAMETER", "PARAMETERS", "PARAMS", "PATH", "PATHS", "PATTERN", "POLICY", "PORT", "PREFIX"),
        *("PROFILE", "PROVIDER", "QUEUE", "QUEUES", "QUOTA", "RATE", "REF", "REFERENCE", "REGEX", "REGION"),
        *("REQUIRED", "RETRIES", "ROLE", "ROTATION", "RULE", "RULES", "SCHEME", "SCOPE", "SCOPES", "SECONDS", "SIZE"),
        *("SOURCE", "STAGE", "STORE", "STRATEGY", "SUFFIX", "TABLE", "TIMEOUT", "TOPIC", "TOPICS", "TTL", "TYPE"),
        *("TYPES", "URI", "URIS", "URL", "URLS", "USERNAME", "VALIDATOR", "VALIDATORS", "VALIDITY", "VARIABLE"),
        *("VERSION", "WINDOW"),
    }
)
"""Words behind one for a secret that make it a name of something else: how long it is, where, whose."""
_COUNTS = frozenset({"MAX", "MIN", "NUM", "NUMBER"})
"""First words of names that count: `MAX_TOKEN`."""
_PLAIN_VALUE = (
    r"|0|1|true|false|yes|no|on|off|none|null|enabled|disabled|required|optional"
    r"|(/[\w.-]+){2,}|(ssm|secretsmanager):\S+|arn:[\w-]+:[a-z0-9-]+:\S+|https?://[^\s@?]+|\$\{[^}]+\}"
)
"""Values that are no secret whatever the name: nothing, a switch, a path, where a secret is, a Terraform reference."""
_WORD = r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+"

SHAPES: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("an AWS access key", ("AKIA", "ASIA", "ABIA", "ACCA"), r"\b(AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    (
        "a private key",
        ("PRIVATE KEY", "PuTTY-User-Key-File-", "AGE-SECRET-KEY-1"),
        r"-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----|PuTTY-User-Key-File-|AGE-SECRET-KEY-1",
    ),
    ("a token of GitHub", ("gh", "github_pat_"), r"\b(gh[opusr]_[A-Za-z0-9]{20}|github_pat_[A-Za-z0-9_]{22})"),
    ("a token of GitLab", ("gl",), r"\bgl(pat|dt|rt|ptt|soat|agent|cbt|ft|imt)-[\w-]{12}"),
    ("a token of Slack", ("xox", "xapp-"), r"\bxox[abeoprs]-[A-Za-z0-9-]{6}|\bxapp-[0-9]-[A-Za-z0-9-]{6}"),
    ("a webhook of Slack", ("hooks.slack.com/",), r"hooks\.slack\.com/(services|workflows|triggers)/[A-Z0-9]{8,}/"),
    ("a webhook of Discord", ("/api/webhooks/",), r"discord(app)?\.com/api/webhooks/[0-9]{17,}/[\w-]{60}"),
    (
        "a key of Stripe",
        ("k_live_", "k_test_", "whsec_"),
        r"\b([sr]k_(live|test)_[A-Za-z0-9]{6}|whsec_[A-Za-z0-9+/]{16})",
    ),
    ("a key of Anthropic or OpenAI", ("sk-",), r"\bsk-(ant-|proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20}"),
    ("a key of Google", ("AIza", "GOCSPX-", "ya29."), r"\bAIza[\w-]{30}|\bGOCSPX-[\w-]{28}|\bya29\.[\w-]{20}"),
    ("a token of npm", ("npm_",), r"\bnpm_[A-Za-z0-9]{20}"),
    ("a token of PyPI", ("pypi-",), r"\bpypi-Ag[\w-]{16}"),
    ("a key of SendGrid", ("SG.",), r"\bSG\.[\w-]{16,}\.[\w-]{16}"),
    ("a key of Mailgun or Mailchimp", ("key-", "-us"), r"\bkey-[0-9a-f]{32}\b|\b[0-9a-f]{32}-us[0-9]{1,2}\b"),
    ("a key of Twilio", ("SK",), r"\bSK[0-9a-f]{32}\b"),
    ("a token of Hugging Face", ("hf_",), r"\bhf_[A-Za-z0-9]{20}"),
    ("a token of HashiCorp", ("hv", ".atlasv1."), r"\bhv[sbr]\.[\w-]{24}|\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60}"),
    ("a token of Databricks", ("dapi",), r"\bdapi[0-9a-f]{32}"),
    ("a token of DigitalOcean", ("_v1_",), r"\bdo[opr]_v1_[0-9a-f]{64}"),
    ("a token of Shopify", ("shp",), r"\bshp(at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("a token of Grafana", ("glc_", "glsa_"), r"\bgl(c|sa)_[A-Za-z0-9_+/=]{32}"),
    ("a key of New Relic", ("NRAK-",), r"\bNRAK-[A-Z0-9]{27}"),
    ("a token of Square", ("sq0", "EAAA"), r"\bsq0(atp|csp)-[\w-]{22}|\bEAAA[\w-]{60}"),
    (
        "a token of Linear, Notion or Doppler",
        ("lin_api_", "ntn_", "dp."),
        r"\b(lin_api_|ntn_|dp\.(pt|st|sa|ct)\.)[A-Za-z0-9]{32}",
    ),
    ("a token of a Telegram bot", (":AA",), r"\b[0-9]{8,10}:AA[\w-]{33}\b"),
    (
        "a key of Azure",
        ("AccountKey=", "SharedAccessKey=", "sig="),
        r"(AccountKey|SharedAccessKey|sig)=[A-Za-z0-9+/%]{40}",
    ),
    ("a JSON Web Token", ("eyJ",), r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),
    ("a password in a URL", ("://",), r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/?#:@]*:(?!\$?\{)[^\s/?#@]+@"),
    ("a password in a connection string", ("=",), r"(?i)(?:^|[\s;&?])(?:password|pwd)\s*=\s*(?!\$?\{)[^\s;&]+"),
)
"""What a value is, texts of which such a value holds one, and its shape: compiled only for a value that holds one."""
# 40 characters of base64 are an AWS secret key only where they are mixed: a Git commit has as many, all of them hex.
_AWS_SECRET = r"(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])(?!/)[A-Za-z0-9/+]{40}"  # noqa: S105 - a pattern
_SHORTEST_MIX = 24
"""How many different characters random base64 of that length has at least, but for one in a million."""


def why(name: str, value: str) -> str:
    """Return why a variable looks like a secret; empty when it doesn't. The value is not in it."""
    text = value.strip()
    if what := shape_of(text):
        return f"its value is {what}" if what.startswith("a password") else f"its value has the shape of {what}"
    if re.fullmatch(_AWS_SECRET, text) and len(set(text)) >= _SHORTEST_MIX:
        return "its value has the shape of an AWS secret key"
    if is_secret_name(name) and not re.fullmatch(_PLAIN_VALUE, text, re.IGNORECASE):
        return "its name says so"
    return ""


def shape_of(text: str) -> str:
    """Return what a text holds that its issuer documents as a secret; empty when it holds none."""
    for what, parts, shape in SHAPES:
        if any(part in text for part in parts) and re.search(shape, text):
            return what
    return ""


def is_secret_name(name: str) -> bool:
    """Say whether a variable of this name holds a secret: DB_PASSWORD does, PASSWORD_MIN_LENGTH doesn't."""
    words = [word.upper() for word in re.findall(_WORD, name)]
    end = max((at + 1 for at in range(len(words)) if _is_secret_word(words, at)), default=0)
    return bool(end) and words[0] not in _COUNTS and _DESCRIBES.isdisjoint(words[end:])


def _is_secret_word(words: list[str], at: int) -> bool:
    word, before, last = words[at], words[at - 1] if at else "", at == len(words) - 1
    if word == "KEY":
        return before in _KEYS
    return word in _WORDS or word.endswith(_ENDINGS) or (bool(before) and last and word in _LAST_WORDS)
